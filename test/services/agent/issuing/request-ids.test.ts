import assert from "node:assert/strict";
import { request } from "node:https";
import { test } from "node:test";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { encodeCall } from "#shared/wire/xmlrpc/encode.ts";
import { DAY } from "../../../support/documents.ts";
import { type AgentLab, agentLab, audited, charges, type LabPrincipal, refusal } from "../agent-lab.ts";

const FOUR = { slice: "princeton_dns", ntickets: 2, leaselen: DAY, ips: "0.0.0.0" as const };

/** The bytes of an answer, as they come. */
function answer(lab: AgentLab, by: LabPrincipal, method: string, params: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const url = new URL(lab.agent.announce.tls);
    const headers = { "content-type": "text/xml" };
    const call = request(
      url,
      { method: "POST", headers, ...clientTlsOptions(by.tls), agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response
          .on("data", (chunk) => chunks.push(chunk))
          .on("end", () => resolve(Buffer.concat(chunks).toString()));
      },
    );
    call.on("error", reject).end(encodeCall(method, [params]));
  });
}

test("the same request gets the same tickets, byte for byte, also after a restart", async () => {
  await using lab = await agentLab({ nodes: 4 });
  const once = { ...FOUR, request_id: "first" };
  const first = await answer(lab, lab.alice, "newtickets", once);
  assert.equal(await answer(lab, lab.alice, "newtickets", once), first);
  await lab.restart();
  assert.equal(await answer(lab, lab.alice, "newtickets", once), first);
  assert.equal((await charges(lab)).length, 2);
  assert.equal((await audited(lab)).filter((entry) => entry === "alice newtickets ok").length, 1);
});

test("another request, another caller or another method is not the same", async () => {
  await using lab = await agentLab({ nodes: 4 });
  const { alice, bob } = lab;
  await alice.client.newtickets({ ...FOUR, request_id: "x" });
  await assert.rejects(
    alice.client.newtickets({ ...FOUR, ntickets: 1, request_id: "x" }),
    refusal("MALFORMED", /other arguments/),
  );
  await alice.client.newtickets({ ...FOUR, request_id: "y" });
  await bob.client.newtickets({ ...FOUR, slice: "other", request_id: "x" });
  assert.equal((await charges(lab)).length, 6);
});

test("many times at once: one set of tickets, the same for all", async () => {
  await using lab = await agentLab({ nodes: 4 });
  const calls = Array.from({ length: 24 }, () =>
    answer(lab, lab.alice, "newtickets", { ...FOUR, request_id: "x" }),
  );
  assert.equal(new Set(await Promise.all(calls)).size, 1);
  assert.equal((await charges(lab)).length, 2);
});

test("a refusal is not kept: the same request may succeed later", async () => {
  await using lab = await agentLab({ nodes: 2, share: { slivers: 1 } });
  const [taken] = await lab.bob.client.newtickets({ ...FOUR, slice: "taken", ntickets: 1 });
  await assert.rejects(lab.alice.client.newtickets({ ...FOUR, request_id: "x" }), refusal("NO_CAPACITY"));
  const { id, body } = parseDocument(taken!);
  const node = lab.nodes.find(({ ip }) => body.includes(`<ip>${ip}</ip>`))!;
  await node.client.settletickets({ unredeemed: [id] });
  assert.equal((await lab.alice.client.newtickets({ ...FOUR, request_id: "x" })).length, 2);
});

test("releases, deposits and settlements answer a repeated request as they did", async () => {
  await using lab = await agentLab();
  const [node] = lab.nodes;
  const [text] = await lab.alice.client.newtickets({ ...FOUR, ntickets: 1, ips: [node.ip] });
  const release = { tickets: [text], request_id: "x" };
  const first = await answer(lab, lab.alice, "releasetickets", release);
  assert.match(first, /released/);
  await node.client.settletickets({ cancelled: [parseDocument(text!).id], request_id: "x" });
  assert.equal(await answer(lab, lab.alice, "releasetickets", release), first);
  assert.equal(await node.client.settletickets({ cancelled: [parseDocument(text!).id], request_id: "x" }), 1);
  await assert.rejects(node.client.settletickets({ request_id: "x" }), refusal("MALFORMED"));
  const tickets = [node.root().text];
  assert.equal(await node.client.deposittickets({ tickets, request_id: "x" }), 1);
  assert.equal(await node.client.deposittickets({ tickets, request_id: "x" }), 1);
});

test("answers are forgotten when nothing in them is valid any more", async () => {
  await using lab = await agentLab();
  const count = async () => (await lab.database.rows("select from replies")).length;
  await lab.alice.client.newtickets({ ...FOUR, request_id: "x" });
  lab.clock.advance(3600);
  await lab.agent.scan();
  assert.equal(await count(), 1);
  lab.clock.advance(302);
  await lab.agent.scan();
  assert.equal(await count(), 0);
});
