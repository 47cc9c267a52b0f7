import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { freemem } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import pLimit from "p-limit";
import { containerBackend } from "#services/node-manager/backends/container/engine.ts";
import { IMAGES_DIRECTORY } from "#services/node-manager/backends/open.ts";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import { someNode } from "#test/contract/backend.ts";
import { leftovers } from "#test/services/node-manager/backends/container-bench.ts";
import { nodeLab } from "#test/services/node-manager/lab/node-lab.ts";
import { withoutContainers } from "#test/support/container-probe.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runProgram } from "#test/support/program.ts";

const SLIVERS = 500;
const RESOURCES = { cpuMillis: 0, memoryMib: 32, diskMib: 16, egressKbps: 0 };
const PATIENT = { answerMs: 120_000, ensureMs: 120_000, engineMs: 120_000 };

test("500 slivers live on one node, each reached by ssh", { skip: await withoutContainers() }, async () => {
  await using directory = await temporaryDirectory();
  const [node, stateDirectory] = [someNode(), join(directory.path, "state")];
  const now = () => systemClock().now();
  const options = { node, stateDirectory, imagesDirectory: IMAGES_DIRECTORY, now };
  const engine = await containerBackend({ ...options, images: ["debian-12"] });
  const capacity = {
    cpuMillis: 8000,
    memoryMib: 32_768,
    diskMib: 65_536,
    egressKbps: 100_000,
    slivers: SLIVERS,
  };
  await using lab = await nodeLab({
    engines: [engine],
    deadlines: PATIENT,
    capacity,
  });
  const { privateKey, publicKey } = newSshKeyPair();
  const key = join(directory.path, "key");
  await writeFile(key, privateKey, { mode: 0o600 });
  const slices = Array.from({ length: SLIVERS }, (_, at) => `many${at}`);
  const machine = freeMib();

  const times = await atOnce(4, slices, async (slice) => {
    const { text: ticketdata } = await lab.ticket({ slice, resources: RESOURCES });
    return await timed(() => lab.alice.newleasevm({ ticketdata, publickey: publicKey }));
  });
  assert.equal((await engine.list()).filter(({ state }) => state === "running").length, SLIVERS);
  const used = (machine - freeMib()) / SLIVERS;

  const logins = await atOnce(4, slices, async (slice) => {
    const { code, out, err } = await runProgram("ssh", [
      ...["-i", key, "-p", String(lab.node.sshPort), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"],
      ...["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"],
      ...[`${slice}@127.0.0.1`, "hostname; id -un"],
    ]);
    assert.deepEqual({ code, out, err }, { code: 0, out: `${slice}\n${slice}\n`, err: "" });
  });
  assert.equal(logins.length, SLIVERS);
  const [first] = await engine.list();
  const { diskBytes, memoryBytes } = await engine.usage(first!.id);
  const image = Number(execFileSync("du", ["-sxk", IMAGES_DIRECTORY]).toString().split(/\s/)[0]);
  console.log(
    [
      `made in ${mean(times.slice(0, 50))} ms each, four at once (first 50), ${mean(times.slice(-50))} ms each (last 50)`,
      `memory ${used.toFixed(1)} MiB a sliver of the machine's, ${Math.round(memoryBytes / 1024)} KiB by its cgroup`,
      `disk ${Math.round(diskBytes / 1024)} KiB a sliver that was entered once, of ${image} KiB of images`,
      `node manager ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB`,
    ].join("\n"),
  );

  await atOnce(4, slices, (slice) => lab.alice.deletelease({ slice }));
  assert.deepEqual(await engine.list(), []);
  assert.deepEqual(await leftovers(node, stateDirectory), []);
});

async function atOnce<I, O>(many: number, items: readonly I[], work: (item: I) => Promise<O>): Promise<O[]> {
  const limit = pLimit(many);
  return await Promise.all(items.map((item) => limit(() => work(item))));
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

function mean(numbers: readonly number[]): number {
  return Math.round(numbers.reduce((sum, n) => sum + n, 0) / numbers.length);
}

/** Memory the kernel could give out at once, caches included. */
function freeMib(): number {
  const line = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"));
  return line ? Number(line[1]) / 1024 : freemem() / 2 ** 20;
}
