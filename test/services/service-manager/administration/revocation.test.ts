import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDocument } from "#shared/wire/document.ts";
import { revocationsBy } from "#test/support/revocations.ts";
import { type AgentLab, agentLab, type LabNode } from "../../agent/agent-lab.ts";
import { FACTS } from "../../agent/facts.ts";
import { standingNode } from "../../agent/standing-node.ts";
import { administratorHome } from "./administrator-home.ts";

async function standing(lab: AgentLab, node: LabNode): Promise<AsyncDisposable> {
  const stands = await standingNode(node, node.ip, lab.clock);
  await node.client.deposittickets({ tickets: [], facts: { ...FACTS, sslport: stands.port } });
  return stands;
}

test("an administrator publishes and revokes, is told which nodes know, and shows what is revoked", async () => {
  await using lab = await agentLab({ loopback: true });
  await using home = await administratorHome(lab, lab.admin);
  await using _nodes = new AsyncDisposableStack();
  for (const node of lab.nodes) _nodes.use(await standing(lab, node));
  const list = await home.file(
    "revocations.xml",
    revocationsBy(lab.authority.authority.key, 5, { key: [lab.bob.name] }),
  );
  assert.deepEqual(await home.admin("revocation", "publish", list), {
    ...{ code: 0, out: "2 of 2 nodes have the list\n", err: "" },
  });
  const [ticket] = await lab.alice.client.newtickets({
    slice: "web",
    ntickets: 1,
    leaselen: 60,
    ips: "0.0.0.0",
  });
  const { id } = parseDocument(ticket!);
  assert.equal((await home.admin("revocation", "ticket", id)).out, "2 of 2 nodes have the list\n");
  const revoked = await home.admin("revocation", "principal", "alice");
  assert.deepEqual(revoked, { code: 0, out: `${lab.alice.name}\n2 of 2 nodes have the list\n`, err: "" });

  const { out } = await home.admin("revocation", "list");
  assert.match(out, /^WHAT +NAME +SINCE +BY\n/);
  assert.match(out, /^key +bob +2030-01-01 12:00:00 +authority$/m);
  assert.match(out, /^principal +alice +2030-01-01 12:00:00 +agent$/m);
  assert.match(out, new RegExp(`^ticket +${id.slice(0, 12)} .* agent$`, "m"));
  assert.match((await home.admin("revocation", "nodes")).out, /^authority +5 +.* +1 +2\/2 +-$/m);
  assert.match((await home.admin("principal", "list")).out, /^alice +.* revoked$/m);

  const refused: [string[], number, RegExp][] = [
    [["publish", list.replace("xml", "none")], 2, /no such file/],
    [["publish", await home.file("nonsense", "nonsense")], 1, /MALFORMED/],
    [["principal", "nobody"], 1, /there is no principal "nobody"/],
    [["ticket", "12ab"], 2, /64 hex digits/],
    [["ticket", "0".repeat(64)], 1, /issued no ticket/],
  ];
  for (const [argv, code, sentence] of refused) {
    const told = await home.admin("revocation", ...argv);
    assert.deepEqual([told.code, told.out], [code, ""], told.err);
    assert.match(told.err, sentence);
  }
});
