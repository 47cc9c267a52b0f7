import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "#test/support/deadline.ts";
import { revocationsBy } from "#test/support/revocations.ts";
import { sliceLab } from "../services/service-manager/slice-lab.ts";

/** What is promised: so long after somebody is revoked nothing of theirs is left on a node that can be reached. */
const WITHIN_MS = 10_000;

test("a stolen key is worth nothing within seconds, wherever nodes can be reached, and elsewhere when they return", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  const created = await lab.slice("create", "web", "--nodes", "3");
  assert.equal(created.code, 0, created.err);
  const [reached, away] = [[0, 1], 2];
  await lab.nodes[away]!.stop();

  const list = revocationsBy(lab.authority.authority.key, 5, { key: [lab.alice.name] });
  const began = performance.now();
  await lab.agentClient.postrevocations({ list }); // alice's own connection is as good as anybody's
  await assert.rejects(lab.agentClient.getslices(), /CERTIFICATE_REVOKED/);
  const machines = () => Promise.all(reached.map((at) => lab.nodes[at]!.backend.list()));
  await eventually(async () => (await machines()).flat().length === 0, { withinMs: WITHIN_MS });
  const ended = performance.now() - began;
  assert.ok(ended < WITHIN_MS, `${ended} ms`);
  await eventually(async () => (await lab.charges()).length === 1, { what: "room coming back at the agent" });

  const listed = await lab.slice("status", "web");
  assert.notEqual(listed.code, 0);
  assert.match(listed.out + listed.err, /revoked/);
  const more = await lab.slice("create", "another", "--nodes", "1");
  assert.notEqual(more.code, 0);
  assert.match(more.err, /CERTIFICATE_REVOKED|revoked/);

  // It was away when everybody was told; its lease goes when it is back, and asks.
  assert.equal((await lab.nodes[away]!.backend.list()).length, 1);
  await lab.nodes[away]!.start();
  await eventually(async () => (await lab.nodes[away]!.backend.list()).length === 0);
  await eventually(async () => (await lab.charges()).length === 0);
});
