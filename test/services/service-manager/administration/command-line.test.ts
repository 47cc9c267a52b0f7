import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDocument } from "#shared/wire/document.ts";
import { DAY } from "../../../support/documents.ts";
import { revocationsBy } from "../../../support/revocations.ts";
import { type AgentLab, agentLab, audited, type LabNode, refusal } from "../../agent/agent-lab.ts";
import { FACTS } from "../../agent/facts.ts";
import { standingNode } from "../../agent/standing-node.ts";
import { administratorHome } from "./administrator-home.ts";

test("an administrator enrols a researcher, limits and suspends her, from anywhere", async () => {
  await using lab = await agentLab();
  await using home = await administratorHome(lab, lab.admin);
  const carol = await lab.authority.client("carol");
  const certificate = await home.file("carol.crt", carol.certPem);
  const add = [
    "principal",
    "add",
    "carol",
    "--role",
    "researcher",
    "--site",
    "mit",
    "--certificate",
    certificate,
  ];
  const early = await home.admin(...add);
  assert.deepEqual([early.code, early.out], [1, ""]);
  assert.match(early.err, /^slicelab admin: MALFORMED: there is no such site; add it first\n$/);
  assert.deepEqual(await home.admin("site", "add", "mit"), { code: 0, out: "", err: "" });
  assert.deepEqual(await home.admin(...add), { code: 0, out: `${carol.name}\n`, err: "" });
  const { out } = await home.admin("principal", "list");
  assert.match(out, /^NAME +ROLE +SITE +KEY +STATUS\n/);
  assert.match(out, /^carol +researcher +mit +[0-9a-f]{12} +active$/m);

  const grant = await home.admin("privilege", "grant", "carol", "--nodes", "2", "--lease", "14d");
  const listed = JSON.parse((await home.admin("privilege", "list", "carol", "-o", "json")).out);
  assert.equal(listed.at(-1).lease_seconds, 14 * DAY);
  assert.equal((await home.admin("privilege", "withdraw", grant.out.trim())).code, 0);
  assert.equal(
    (await home.admin("quota", "set", "--site", "mit", "--slivers", "0", "--memory", "1G")).code,
    0,
  );
  assert.match((await home.admin("quota", "list")).out, /^site mit .* 0 .* 1024 /m);
  const ask = { slice: "web", ntickets: 1, leaselen: DAY, ips: "0.0.0.0" as const };
  await assert.rejects(lab.client(carol).newtickets(ask), refusal("QUOTA", /site, mit/));
  assert.equal((await home.admin("quota", "remove", "--site", "mit")).code, 0);
  await lab.client(carol).newtickets(ask);
  assert.match((await home.admin("slice", "list")).out, /^web +carol /m);
  assert.equal((await home.admin("slice", "transfer", "web", "bob")).code, 0);
  assert.equal((await home.admin("slice", "transfer", "none", "bob")).code, 5);
  assert.equal((await home.admin("principal", "suspend", "carol")).code, 0);
  await assert.rejects(lab.client(carol).newtickets({ ...ask, slice: "more" }), refusal("SUSPENDED"));
  assert.equal((await home.admin("principal", "resume", "carol")).code, 0);
  assert.equal((await home.admin("principal", "role", "carol", "pi")).code, 0);
  assert.ok((await audited(lab)).includes("admin set role ok"));
});

test("nodes are accepted, drained, resumed and retired", async () => {
  await using lab = await agentLab();
  await using home = await administratorHome(lab, lab.admin);
  const { certPem } = await lab.authority.server("further");
  const certificate = await home.file("node.crt", certPem);
  const accept = ["node", "accept", "--ip", "10.77.0.9", "--certificate", certificate];
  const place = ["--name", "further", "--latitude", "40.35", "--longitude", "-74.66", "--tag", "rack=3"];
  assert.equal((await home.admin(...accept, ...place)).code, 0);
  assert.equal((await home.admin(...accept)).code, 1);
  assert.equal((await home.admin("node", "drain", "node0")).code, 0);
  assert.equal((await home.admin("node", "retire", "10.77.0.9")).code, 0);
  const states = async () => {
    const { out } = await home.admin("node", "list", "-o", "json");
    return (JSON.parse(out) as { name: string; state: string }[]).map(
      ({ name, state }) => `${name} ${state}`,
    );
  };
  assert.deepEqual(await states(), ["further retired", "node0 drained", "node1 serving"]);
  assert.equal((await home.admin("node", "resume", "node0")).code, 0);
  assert.equal((await states())[1], "node0 serving");
});

test("who is no administrator, or says what makes no sense, is told so in words and by the exit code", async () => {
  await using lab = await agentLab();
  await using home = await administratorHome(lab, lab.alice);
  const refused = await home.admin("site", "add", "mit");
  assert.equal(refused.code, 4);
  assert.match(refused.err, /^slicelab admin: NO_PRIVILEGE: only administrators/);
  for (const argv of [
    ["quota", "set", "--slices", "3"],
    ["quota", "set", "--principal", "bob", "--lease", "long"],
    ["privilege", "grant", "bob", "--nodes", "many", "--lease", "1d"],
    ["node", "accept", "--ip", "10.9.9.9", "--certificate", "/nowhere.crt"],
    ["site"],
    ["sites", "list"],
  ]) {
    const { code, err } = await home.admin(...argv);
    assert.equal(code, 2, argv.join(" "));
    assert.ok(err.length > 0);
  }
  const elsewhere = await home.admin("site", "list", "--agent", "https://elsewhere:7001/RPC2");
  assert.match(elsewhere.err, /names no agent/);
});

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
