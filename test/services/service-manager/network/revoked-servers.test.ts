import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { askNode } from "#services/node-manager/owner/owner-socket.ts";
import { KeptRevocations } from "#services/service-manager/network/kept-revocations.ts";
import { askQuietly } from "#services/service-manager/network/revocation-asking.ts";
import { strangerTlsOptions } from "#shared/identity/tls.ts";
import { encodeCall } from "#shared/wire/xmlrpc/encode.ts";
import { eventually } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { KEYS, NOW } from "#test/support/documents.ts";
import { runProgram } from "#test/support/program.ts";
import { revocationsBy } from "#test/support/revocations.ts";
import { type SliceLab, sliceLab } from "../slice-lab.ts";

const MINUTE = 60;
const DAY = 86_400;

describe("a slice on nodes of others", () => {
  let lab: SliceLab;
  before(async () => {
    lab = await sliceLab({ nodes: 2 });
  });
  after(() => lab[Symbol.asyncDispose]());

  test("a lease that its node's owner ended is told from one that its node lost, on the node's signed word", async () => {
    const created = await lab.slice("create", "short", "--nodes", "2");
    assert.equal(created.code, 0, created.err);
    await askNode(lab.nodes[0]!.state, encodeCall("kill", [{ slice: "short" }]));
    await lab.nodes[1]!.client.deletelease({ slice: "short" });
    const { code, out } = await lab.slice("status", "short");
    assert.notEqual(code, 0);
    assert.match(
      out,
      /127\.0\.7\.1 .*REVOKED: its node's owner ended the lease at \d{4}-.* UTC.*slice repair/,
    );
    assert.match(out, /127\.0\.7\.2 .*NO_SLICE: /);
    const repaired = await lab.slice("repair", "short");
    assert.match(repaired.out, /127\.0\.7\.1 .*gone +REVOKED: its node's owner ended the lease at/);
    assert.match(repaired.out, /127\.0\.7\.2 .*gone +NO_SLICE: /);
    await eventually(
      async () => {
        const rows = await lab.database.rows(
          "select 1 from tickets where state = 'ended' and withdrawn is not null",
        );
        return rows.length === 1;
      },
      { what: "the agent knowing which of the two leases the owner ended" },
    );
  });

  test("a node whose key is revoked is spoken to no more, as far as an agent has said so, also when none says it again", async () => {
    const { key } = lab.authority.authority;
    const created = await lab.slice("create", "web", "--nodes", "2");
    assert.equal(created.code, 0, created.err);
    const [kept, stolen] = lab.nodes;
    const list = revocationsBy(key, 5, { key: [stolen!.identity.name] });
    await lab.agentClient.postrevocations({ list });
    const status = async () => {
      const { code, out, err } = await lab.slice("status", "web", "-o", "json");
      const { nodes } = JSON.parse(out) as {
        nodes: { node: string; state: string; trouble?: { name: string; sentence: string } }[];
      };
      const of = (node: string) => nodes.find((one) => one.node === node)!;
      return { code, err, kept: of(kept!.identity.name), stolen: of(stolen!.identity.name) };
    };
    assert.equal((await status()).stolen.state, "running", "agents are not asked every time");
    lab.clock.advance(10 * MINUTE);
    await status(); // asks beside its work
    assert.equal(await readFile(join(lab.home, "revocations", `${key.public.name}.xml`), "utf8"), list);

    await lab.stopAgent();
    lab.clock.advance(10 * MINUTE);
    const refused = await status();
    assert.deepEqual([refused.code, refused.kept.state, refused.stolen.state], [3, "running", "unknown"]);
    assert.equal(refused.stolen.trouble?.name, "WRONG_PEER");
    assert.match(
      refused.stolen.trouble!.sentence,
      /the authority revoked the key [0-9a-f]{64} of the server at/,
    );
    assert.equal(refused.err, "", "that an agent is away for a while is no news");
    lab.clock.advance(2 * DAY);
    const old = await status();
    assert.deepEqual([old.code, old.stolen.state], [3, "unknown"], "old lists are better than none");
    assert.match(old.err, /^slice: no agent has said for 2 days which keys are revoked/);

    await lab.startAgent();
    await writeFile(join(lab.home, "revocations", `${key.public.name}.xml`), list.slice(0, -9));
    lab.clock.advance(10 * MINUTE);
    assert.equal((await status()).err, "");
    assert.equal((await status()).stolen.state, "unknown", "what was damaged is got again");
  });
});

test("a home takes lists of its authorities alone, none older than it has, and remembers the latest", async () => {
  await using home = await temporaryDirectory();
  const [authority, stranger] = [KEYS.node, KEYS.otherNode];
  const revoked = "e".repeat(64);
  const open = () => KeptRevocations.open(home.path, [authority.public]);
  const kept = await open();
  await kept.take(revocationsBy(stranger, 9, { key: [revoked] }));
  assert.deepEqual([kept.isRevoked(revoked), await readdir(home.path)], [false, []]);
  const later = revocationsBy(authority, 5, { key: [revoked] });
  const forged = later.replace("<number>5<", "<number>6<");
  await assert.rejects(kept.take(forged), { name: "BAD_SIGNATURE" });
  await kept.take(later);
  await assert.rejects(kept.take(revocationsBy(authority, 4, {})), { name: "EXPIRED" });
  await assert.rejects(kept.take(revocationsBy(authority, 5, {})), { name: "BAD_CHAIN" });
  for (const one of [kept, await open()]) assert.equal(one.isRevoked(revoked), true);
  const another = await KeptRevocations.open(home.path, [stranger.public]);
  assert.equal(another.isRevoked(revoked), false, "who is trusted no more is not believed in this either");
});

test("a home on a full disk is told of, and keeps no command from its work", async () => {
  await using home = await temporaryDirectory();
  const small = ["-t", "tmpfs", "-o", "size=16k,mode=0700", "none", home.path];
  assert.equal((await runProgram("mount", small)).code, 0);
  try {
    const kept = await KeptRevocations.open(home.path, [KEYS.node.public]);
    await mkdir(join(home.path, "revocations"));
    await assert.rejects(writeFile(join(home.path, "everything"), Buffer.alloc(65_536)), { code: "ENOSPC" });
    const told: string[] = [];
    const { signal } = new AbortController();
    const asking = { agents: [], tls: strangerTlsOptions(""), now: NOW, signal };
    await askQuietly(kept, { ...asking, notice: (line) => told.push(line) });
    assert.match(
      told.join(),
      /^what is revoked could not be kept: .*asked cannot be written, its disk is full/,
    );
  } finally {
    await runProgram("umount", [home.path]);
  }
});

test("of lists that come at once, and to commands at once, a home keeps the latest", async () => {
  await using home = await temporaryDirectory();
  const [authority, revoked] = [KEYS.node, "e".repeat(64)];
  const open = () => KeptRevocations.open(home.path, [authority.public]);
  const [one, other] = [await open(), await open()];
  const numbered = (number: number) => revocationsBy(authority, number, { key: number > 8 ? [revoked] : [] });
  await Promise.all([5, 6, 7, 8, 9].map((number) => one.take(numbered(number))));
  assert.equal((await open()).isRevoked(revoked), true);
  await other.take(numbered(8)); // opened before, brought by an agent that lags behind or wants to harm
  for (const kept of [other, await open()]) assert.equal(kept.isRevoked(revoked), true);
});
