import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually } from "#test/support/deadline.ts";
import { sliceLab } from "./slice-lab.ts";

test("an administrative slice is asked for by its capabilities, and says so as long as it lasts", async () => {
  await using lab = await sliceLab({ nodes: 1, administrative: ["CAP_NET_RAW", "CAP_SYSLOG"] });
  const [node] = lab.nodes;
  const asked = ["--capability", "CAP_NET_RAW", "--capability", "CAP_SYSLOG"];
  const created = await lab.slice("create", "capture", ...asked, "-o", "json");
  assert.equal(created.code, 0, created.err);
  const capabilities = ["CAP_NET_RAW", "CAP_SYSLOG"];
  assert.deepEqual(JSON.parse(created.out).nodes[0].administrative, capabilities);
  assert.deepEqual([...node!.backend.slivers.values()][0]?.administrative, capabilities);
  for (let renewals = 1; renewals <= 3; renewals++) {
    const renewed = await lab.slice("renew", "capture");
    assert.equal(renewed.code, 0, renewed.err);
    lab.clock.advance(43_200);
  }
  assert.deepEqual((await node!.leases())[0]?.administrative, capabilities, "with a ticket more, too");
  assert.equal((await lab.slice("delete", "capture")).code, 0);
});

test("what may not be had is refused by name, before or by the agent", async () => {
  await using lab = await sliceLab({ nodes: 1, administrative: ["CAP_NET_RAW"] });
  const typo = await lab.slice("create", "capture", "--capability", "CAP_NET_ROW");
  assert.equal(typo.code, 2);
  assert.match(typo.err, /no capability that may be granted; use one of CAP_NET_RAW, /);
  const beyond = await lab.slice("create", "capture", "--capability", "CAP_SYSLOG");
  assert.equal(beyond.code, 4);
  assert.match(beyond.err, /NO_PRIVILEGE: your privilege does not include CAP_SYSLOG/);
  const description = join(lab.files, "plain.xml");
  await writeFile(
    description,
    `<slice><name>odd</name><nodes>1</nodes><lease_seconds>60</lease_seconds><administrative/></slice>`,
  );
  assert.match((await lab.slice("create", description)).err, /list at least one <capability>/);
});

test("a node whose engines make no such slivers is not asked, and slice plan says why", async () => {
  await using lab = await sliceLab({ nodes: 2, administrative: ["CAP_NET_RAW"] });
  const [able, unable] = lab.nodes;
  Object.assign(unable!.backend, { statement: { ...unable!.backend.statement, abilities: [] } });
  await unable!.stop();
  await unable!.start();
  const plan = async () => (await lab.slice("plan", "capture", "--capability", "CAP_NET_RAW")).out;
  const seen = await eventually(async () => /makes administrative/.test(await plan()) && (await plan()));
  assert.match(seen, new RegExp(`${able!.ip} .*chosen`));
  assert.match(seen, new RegExp(`${unable!.ip} .*refused +has no engine that makes administrative slivers`));
  const [shown] = JSON.parse((await lab.slice("node", "list", "-o", "json")).out);
  assert.ok(shown.abilities.length === 1 && Array.isArray(shown.abilities[0].abilities));
});
