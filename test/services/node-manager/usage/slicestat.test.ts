import assert from "node:assert/strict";
import { test } from "node:test";
import type { Backend, NetworkUsage, Usage } from "#services/node-manager/backends/backend.ts";
import { simulatedBackend } from "#services/node-manager/backends/simulated.ts";
import { UsageHistory } from "#services/node-manager/usage/history.ts";
import { startUsageSampler } from "#services/node-manager/usage/sampler.ts";
import { slicestatLine } from "#services/node-manager/usage/slicestat.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { eventually } from "#test/support/deadline.ts";
import { hang } from "../lab/faulty-backend.ts";
import { CAPACITY, nodeLab } from "../lab/node-lab.ts";

const ID = "00000010abcdef01";
const MINUTE = 60_000;
const NODE = { ip: "10.77.0.1", capacity: { ...CAPACITY, cpuMillis: 4000, memoryMib: 1024 } };

function usage(cpuSeconds: number, sentKilobytes = 0, receivedKilobytes = 0): Usage {
  const traffic = (kilobytes: number) => ({ bytes: kilobytes * 1000, packets: kilobytes });
  const network = {
    sent: traffic(sentKilobytes),
    received: traffic(receivedKilobytes),
    alarming: traffic(0),
  };
  return {
    cpuMicroseconds: cpuSeconds * 1e6,
    memoryBytes: 64 * 1024 * 1024,
    processes: 7,
    diskBytes: 0,
    network,
  };
}

/** A history in which these were seen, each so many minutes after the start. */
function history(...seen: readonly (readonly [minutes: number, usage: Usage])[]): UsageHistory {
  const made = new UsageHistory();
  for (const [minutes, each] of seen) made.record(ID, each, minutes * MINUTE);
  return made;
}

const lineOf = (known: UsageHistory) =>
  slicestatLine({ slice: "princeton_dns", sliver: ID }, known.of(ID), NODE).split(",");

test("a line has fifteen fields: who, how much, how fast over one, five and fifteen minutes, where", () => {
  // 600 kB in the last minute, 900 in the last five, 1800 in the last fifteen; half of that comes in.
  const seen = history(
    ...([
      [0, usage(0)],
      [10, usage(100, 900, 450)],
      [14, usage(200, 1200, 600)],
      [15, usage(290, 1800, 900)],
    ] as const),
  );
  assert.deepEqual(lineOf(seen), [
    ...["princeton_dns", "1", "37.5", "6.3", "65536", "65536", "7"],
    ...["80.0", "24.0", "16.0", "40.0", "12.0", "8.0"],
    ...["10.77.0.1", "2"],
  ]);
});

test("a sliver that was not looked at is there with zeros, one that was looked at once stands still", () => {
  const zeros = ["0.0", "0.0", "0.0", "0.0", "0.0", "0.0", "10.77.0.1", "0"];
  assert.deepEqual(lineOf(history()), ["princeton_dns", "1", "0.0", "0.0", "0", "0", "0", ...zeros]);
  const once = ["princeton_dns", "1", "0.0", "6.3", "65536", "65536", "7", ...zeros];
  assert.deepEqual(lineOf(history([3, usage(500, 10_000)])), once);
});

test("counters that begin again with the sliver count on", () => {
  const restarted = history([0, usage(0, 6000)], [0.5, usage(1, 6300)], [1, usage(1, 300)]).of(ID);
  assert.deepEqual(restarted?.sent, [10_000, 10_000, 10_000], "600 kB in a minute, none of them twice");
});

test("an engine that counts no traffic is not said to have any, and samples do not pile up", () => {
  const long = new UsageHistory();
  const { network: _, ...silent } = usage(1);
  for (let round = 0; round < 10_000; round++) long.record(ID, silent, round * 1000);
  assert.deepEqual(long.of(ID)?.sent, [0, 0, 0]);
  long.keep(new Set());
  assert.equal(long.of(ID), undefined);
});

/** An engine in which every sliver uses what is said. */
function scripted(uses: (id: string) => Promise<Usage>): Backend & { readonly asked: string[] } {
  const asked: string[] = [];
  const ask: Backend["usage"] = (id) => {
    asked.push(id);
    return uses(id);
  };
  return { ...simulatedBackend(), usage: ask, asked };
}

test("an engine that hangs or fails keeps nobody waiting, and is not asked twice at once", async () => {
  const backend = scripted(async (id) => {
    if (id === "hangs") return hang();
    if (id === "fails") throw new Error("no answer");
    return usage(3);
  });
  const seen = new UsageHistory();
  const leases = ["hangs", "fails", "well"].map((sliver) => ({ sliver, engine: "simulated" as const }));
  await using sampler = startUsageSampler({
    ...{ live: () => leases, engines: [backend], history: seen, uptime: () => 5, log: silentLog() },
    ...{ everyMs: 3_600_000, patienceMs: 50, onUsage: () => {} },
  });
  await sampler.round();
  await sampler.round();
  assert.equal(seen.of("well")?.usage.processes, 7);
  assert.equal(seen.of("hangs") ?? seen.of("fails"), undefined);
  const times = (id: string) => backend.asked.filter((one) => one === id).length;
  assert.deepEqual([times("hangs"), times("fails"), times("well")], [1, 2, 2]);
});

test("a node serves the feed to anybody, to be read and nothing else", async () => {
  await using lab = await nodeLab({ config: { ports: { tls: 0, web: 0, ssh: 0, slicestat: 0 } } });
  const lease = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  const url = `http://127.0.0.1:${lab.node.slicestatPort}`;
  const response = await fetch(`${url}/slicestat`);
  assert.match(response.headers.get("content-type")!, /^text\/plain/);
  const lines = (await response.text()).split("\n");
  assert.deepEqual([lines.length, lines[1]], [2, ""]);
  const fields = lines[0]!.split(",");
  assert.equal(fields.length, 15);
  assert.deepEqual([fields[0], fields[13]], [lease.slice, lease.ip]);
  for (const method of ["POST", "PUT", "DELETE"])
    assert.equal((await fetch(url, { method })).status, 404, method);
  assert.equal((await fetch(`${url}/../etc/passwd`)).status, 404);
  const from = lab.node.slicestatPort;
  const ticket = await lab.ticket({ slice: "taken", ports: [{ protocol: "tcp", from, to: from }] });
  await assert.rejects(lab.alice.newlease({ ticketdata: ticket.text }), /kept for the node itself/);
  await lab.alice.deletelease({ slice: lease.slice });
  await eventually(async () => (await (await fetch(url)).text()) === "", { what: "an empty feed" });
});

test("without a port for it there is no feed", async () => {
  await using lab = await nodeLab();
  assert.equal(lab.node.slicestatPort, 0);
});

test("getstatus tells traffic by class, where the engine counts it", async () => {
  await using lab = await nodeLab();
  const { slice } = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  assert.deepEqual((await lab.alice.getstatus({ slice })).usage, {
    ...{ cpu_microseconds: 0, memory_bytes: 0, processes: 0, disk_bytes: 0 },
  });
  const network: NetworkUsage = {
    sent: { bytes: 5_000_000_000, packets: 4_000_000 },
    received: { bytes: 1, packets: 1 },
    alarming: { bytes: 84, packets: 1 },
  };
  lab.backend.usage = async () => ({ ...usage(2), network });
  assert.deepEqual((await lab.alice.getstatus({ slice })).usage, {
    ...{ cpu_microseconds: 2_000_000, memory_bytes: 64 * 1024 * 1024, processes: 7, disk_bytes: 0, network },
  });
});
