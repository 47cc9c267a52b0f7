import assert from "node:assert/strict";
import { test } from "node:test";
import { readSlice } from "#services/service-manager/journal/slice-state.ts";
import { formatInstant } from "#shared/model/time.ts";
import { assertExactly, leasesAtNodes } from "./exactness.ts";
import type { Ran } from "./run-slice.ts";
import { sliceLab } from "./slice-lab.ts";

const DAY = 86_400;

type Row = { readonly ip: string; readonly end_time: string; readonly trouble?: { readonly name: string } };

function rows({ code, out, err }: Ran, expectedCode: number): Row[] {
  assert.equal(code, expectedCode, err);
  return JSON.parse(out);
}

test("a renewal adds the length of the lease, and one that only some nodes did is finished, not repeated", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2", "--lease", "1d");
  const start = (await leasesAtNodes(lab, "hello"))[0]!.term.start;
  await lab.nodes[1]!.stop();
  const partial = rows(await lab.slice("renew", "hello", "-o", "json"), 3);
  assert.deepEqual(partial.map(({ trouble }) => trouble?.name).sort(), ["UNREACHABLE", undefined]);
  await lab.nodes[1]!.start();
  const complete = rows(await lab.slice("renew", "hello", "-o", "json"), 0);
  assert.deepEqual(
    new Set(complete.map(({ end_time }) => end_time)),
    new Set([formatInstant(start + 2 * DAY)]),
  );
  await assertExactly(lab, "hello", 2);
});

test("--until and --for say when leases shall end", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  await lab.slice("create", "hello", "--lease", "4h");
  const until = formatInstant(lab.clock.now() + 6 * 3600);
  assert.equal(
    rows(await lab.slice("renew", "hello", "--until", until, "-o", "json"), 0)[0]!.end_time,
    until,
  );
  const later = formatInstant(lab.clock.now() + 7 * 3600);
  assert.equal(rows(await lab.slice("renew", "hello", "--for", "7h", "-o", "json"), 0)[0]!.end_time, later);
  const unchanged = rows(await lab.slice("renew", "hello", "--for", "1h", "-o", "json"), 0)[0]!;
  assert.equal(unchanged.end_time, later, "a lease is never shortened");
  assert.equal((await lab.slice("renew", "hello", "--until", "2001-01-01")).code, 2);
  assert.equal((await lab.slice("renew", "hello", "--until", "2030-01-01", "--for", "1d")).code, 2);
});

test("beyond what its ticket allows, a lease is renewed with a further ticket", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2", "--lease", "1d");
  for (let renewals = 1; renewals <= 4; renewals++) {
    const renewed = rows(await lab.slice("renew", "hello", "-o", "json"), 0);
    assert.equal(renewed.length, 2);
    lab.clock.advance(DAY / 2);
  }
  const [lease] = await leasesAtNodes(lab, "hello");
  assert.equal(lease!.term.end - lease!.term.start, 5 * DAY);
  await assertExactly(lab, "hello", 2, { renewed: true });
  assert.equal((await lab.slice("delete", "hello")).code, 0);
  await assertExactly(lab, "hello", 0);
});

test("where no further ticket is to be had, leases are renewed as far as they go, and it is said why", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2", "--lease", "1d");
  await lab.registry.suspend("alice", true);
  const { code, out } = await lab.slice("renew", "hello", "--for", "5d", "-o", "json");
  assert.equal(code, 4, out);
  const renewed: Row[] = JSON.parse(out);
  const [lease] = await leasesAtNodes(lab, "hello");
  assert.equal(lease!.term.end, lease!.renewableUntil);
  assert.deepEqual(
    renewed.map(({ end_time, trouble }) => [end_time, trouble?.name]),
    [1, 2].map(() => [formatInstant(lease!.renewableUntil), "SUSPENDED"]),
  );
});

test("a ticket got for a renewal that did not happen is used by the next one", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  await lab.slice("create", "hello", "--lease", "1d");
  const [node] = lab.nodes;
  await node!.stop();
  assert.equal((await lab.slice("renew", "hello", "--for", "3d")).code, 1);
  const [ticket] = (await readSlice(lab.home, "hello"))!.tickets.keys();
  assert.ok(ticket);
  await node!.start();
  assert.equal((await lab.slice("renew", "hello", "--for", "3d")).code, 0);
  await assertExactly(lab, "hello", 1, { renewed: true });
});

test("a renewal whose answer was lost is found out by the next one, and the sliver lives on", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  await lab.slice("create", "hello", "--lease", "1d");
  const [node] = lab.nodes;
  await node!.stop();
  await lab.slice("renew", "hello", "--for", "3d");
  const [ticket] = (await readSlice(lab.home, "hello"))!.tickets.values();
  await node!.start();
  // As if the node had renewed and its answer had got lost.
  await node!.client.renewlease({ slice: "hello", ticketdata: ticket!.text });
  const { code, err } = await lab.slice("renew", "hello", "--for", "3d");
  assert.equal(code, 0, err);
  await assertExactly(lab, "hello", 1, { renewed: true });
  assert.equal(node!.backend.slivers.size, 1);
});
