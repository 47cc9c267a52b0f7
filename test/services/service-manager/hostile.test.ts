import assert from "node:assert/strict";
import { test } from "node:test";
import { readSlice } from "#services/service-manager/journal/slice-state.ts";
import { sealLease } from "#shared/wire/lease-document.ts";
import { encodeResponse } from "#shared/wire/xmlrpc/encode.ts";
import { assertExactly, leasesAtNodes } from "./exactness.ts";
import { answer, type Behaviour, flood, hostileNode, lie, refuse } from "./hostile-node.ts";
import { type SliceLab, sliceLab } from "./slice-lab.ts";

const DEADLINE = "5s";
/** The deadline and what all else takes on a busy machine: far from the usual deadline of 30 s. */
const MOST_MS = 28_000;

/** What each behaviour of a node is called in the end. */
type Case = { readonly does: Behaviour; readonly name: string };

async function everyCase(lab: SliceLab): Promise<Record<string, Case>> {
  const [stranger] = lab.nodes;
  const strangersLease = (await lab.slice("create", "other", "--nodes", stranger!.ip)).code;
  assert.equal(strangersLease, 0);
  const [genuine = ""] = await stranger!.client.getleases();
  const bad = (does: Behaviour): Case => ({ does, name: "BAD_ANSWER" });
  return {
    refuses: { does: refuse(601, "BACKEND_FAILED: not today"), name: "BACKEND_FAILED" },
    unheardof: { does: refuse(777, "I made this up"), name: "FAULT_777" },
    hangs: { does: () => {}, name: "TIMEOUT" },
    trickles: { does: ({ response }) => response.writeHead(200).write("<"), name: "TIMEOUT" },
    hangsup: bad(({ response }) => response.destroy()),
    redirects: bad(({ response }) => response.writeHead(302, { location: "http://169.254.169.254/" }).end()),
    garbage: bad(({ response }) => response.end("<html>welcome</html>")),
    foreignlease: bad(answer(genuine)),
    forged: bad(({ response, lease }) =>
      response.end(encodeResponse(sealLease(lease(), lab.alice.signingKey))),
    ),
    longer: bad(lie(({ term }) => ({ term: { ...term, end: term.end + 1 } }))),
    elsewhere: bad(lie(({ ssh }) => ({ ssh: { ...ssh, host: "169.254.169.254" } }))),
  };
}

test("whatever one node does, the others have their slivers, it keeps its ticket, and the next run finishes", async (t) => {
  await using lab = await sliceLab({ nodes: 3, share: { slivers: 64 } });
  const bad = lab.nodes[2]!;
  const address = { ip: bad.ip, port: Number(new URL(bad.manager.url).port) };
  const cases = await everyCase(lab);
  await bad.stop();
  const where = lab.nodes.map(({ ip }) => ip).join();
  {
    await using hostile = await hostileNode(bad.identity, address);
    for (const [slice, { does, name }] of Object.entries(cases)) {
      await t.test(slice, async () => {
        hostile.behaviour = does;
        const began = performance.now();
        const { code, out, err } = await lab.slice(
          "create",
          slice,
          "--nodes",
          where,
          "--deadline",
          DEADLINE,
          "-o",
          "json",
        );
        assert.equal(code, 3, err);
        const nodes: { ip: string; state: string; trouble?: { name: string } }[] = JSON.parse(out).nodes;
        const states = nodes.map(({ ip, state, trouble }) => [ip, state, trouble?.name]);
        assert.deepEqual(states.sort(), [
          [lab.nodes[0]!.ip, "leased", undefined],
          [lab.nodes[1]!.ip, "leased", undefined],
          [bad.ip, "ticket", name],
        ]);
        assert.equal((await leasesAtNodes(lab, slice)).length, 2);
        assert.ok(performance.now() - began < MOST_MS, "and the others did not wait for it");
      });
    }
  }
  await bad.start();
  for (const slice of Object.keys(cases)) {
    const { code, err } = await lab.slice("create", slice);
    assert.equal(code, 0, `${slice}: ${err}`);
    await assertExactly(lab, slice, 3);
  }
});

test("a node that sends without end is cut off after 16 MiB", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  const bad = lab.nodes[1]!;
  const address = { ip: bad.ip, port: Number(new URL(bad.manager.url).port) };
  await bad.stop();
  await using hostile = await hostileNode(bad.identity, address);
  let sent = 0;
  hostile.behaviour = flood((mebibytes) => {
    sent = mebibytes;
  });
  const { code, out } = await lab.slice("create", "flooded", "--nodes", "2", "-o", "json");
  assert.equal(code, 3);
  assert.match(out, /BAD_ANSWER/);
  assert.ok(sent < 64, `${sent} MiB were taken`);
});

test("another node at a node's address is not spoken to", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  const [honest, , gone] = lab.nodes;
  const address = { ip: gone!.ip, port: Number(new URL(gone!.manager.url).port) };
  await gone!.stop();
  await using hostile = await hostileNode(honest!.identity, address);
  let calls = 0;
  hostile.behaviour = () => {
    calls += 1;
  };
  const { code, out } = await lab.slice("create", "misled", "--nodes", "3", "-o", "json");
  assert.equal(code, 3);
  assert.match(out, /"WRONG_PEER"/);
  assert.equal(calls, 0, "nothing was sent to it");
  assert.equal((await readSlice(lab.home, "misled"))?.tickets.size, 1);
});

test("a node that refuses for good is replaced by another, and its ticket given back", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  const plan = JSON.parse((await lab.slice("plan", "moved", "--nodes", "2", "-o", "json")).out);
  const bad = lab.nodes.find(({ ip }) => ip === plan[0].ip)!;
  const address = { ip: bad.ip, port: Number(new URL(bad.manager.url).port) };
  await bad.stop();
  {
    await using hostile = await hostileNode(bad.identity, address);
    hostile.behaviour = refuse(500, "NO_CAPACITY: no room here, whatever my agent says");
    const { code, out, err } = await lab.slice("create", "moved", "--nodes", "2", "-o", "json");
    assert.equal(code, 0, err);
    const leased = JSON.parse(out).nodes.filter(({ state }: { state: string }) => state === "leased");
    assert.equal(leased.length, 2);
    assert.match(out, /no room here/, "what the node said is kept");
  }
  await bad.start();
  assert.equal((await lab.slice("create", "moved")).code, 0);
  await assertExactly(lab, "moved", 2);
});

test("what a hostile node says cannot move the cursor of a terminal", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  const [bad] = lab.nodes;
  const address = { ip: bad!.ip, port: Number(new URL(bad!.manager.url).port) };
  await bad!.stop();
  await using hostile = await hostileNode(bad!.identity, address);
  hostile.behaviour = refuse(601, "BACKEND_FAILED: \u009b2J and\nslice: all is well");
  const { out, err } = await lab.slice("create", "painted");
  assert.match(out, /\?2J and\?slice: all is well/);
  assert.doesNotMatch(out + err, /\u009b/);
});
