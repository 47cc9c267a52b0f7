import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBytes, formatSeconds } from "#services/service-manager/slivers/usage-view.ts";
import { sliceLab } from "../slice-lab.ts";

test("amounts are written as people read them", () => {
  const bytes = [0, 512, 1023, 1024, 1536, 34 * 1024 ** 2, 5.25 * 1024 ** 3, 9000 * 1024 ** 4];
  assert.deepEqual(bytes.map(formatBytes), [
    "0 B",
    "512 B",
    "1023 B",
    "1.0 KiB",
    "1.5 KiB",
    "34 MiB",
    "5.3 GiB",
    "9000 TiB",
  ]);
  assert.deepEqual([0, 0.44, 12.4, 200, 9000].map(formatSeconds), [
    "0.0 s",
    "0.4 s",
    "12 s",
    "3 min",
    "2.5 h",
  ]);
});

test("slice status shows what each sliver uses, and all of it to programs", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  const [one, two] = lab.nodes;
  const traffic = (packets: number) => ({ bytes: packets * 1000, packets });
  const network = { sent: traffic(3), received: traffic(2), alarming: traffic(1) };
  const plain = { cpuMicroseconds: 1_500_000, memoryBytes: 3 * 1024 ** 2, processes: 4, diskBytes: 2048 };
  one!.backend.usage = async () => ({ ...plain, network });
  two!.backend.usage = async () => plain;
  await lab.slice("create", "hello", "--nodes", "2");
  const shown = (await lab.slice("status", "hello")).out;
  assert.match(shown, /CPU +MEMORY +DISK +PROCESSES/);
  assert.match(shown, /1\.5 s +3\.0 MiB +2\.0 KiB +4 /);
  assert.match(
    (await lab.slice("status", "hello", "-o", "wide")).out,
    /2\.9 KiB in 3 +2\.0 KiB in 2 +1000 B in 1 /,
  );
  const { nodes } = JSON.parse((await lab.slice("status", "hello", "-o", "json")).out);
  const [first, second] = [one, two].map((node) => nodes.find(({ ip }: { ip: string }) => ip === node!.ip));
  const counted = { cpu_microseconds: 1_500_000, memory_bytes: 3_145_728, processes: 4, disk_bytes: 2048 };
  assert.deepEqual(first.usage, { ...counted, network });
  assert.deepEqual(second.usage, counted);
});
