import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { EngineName } from "#shared/model/ticket.ts";
import { eventually } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { dockerIfPossible } from "#test/support/docker-daemon.ts";
import { runProgram, runToSuccess } from "#test/support/program.ts";
import { engineProbe } from "./backends/container-bench.ts";
import { CAPACITY, type NodeLab, nodeLab } from "./lab/node-lab.ts";

/* A node moves from one engine to another while its slivers run on ("The transition", paper on isolation kernels §5). */

const probe = await engineProbe();
const { daemon, skip: withoutDocker } = await dockerIfPossible();
const skip = (!probe.ok && probe.reason) || withoutDocker;
const resources = { cpuMillis: 100, memoryMib: 64, diskMib: 64, egressKbps: 0 };

describe("a node that moves from engine to engine", { skip, timeout: 300_000 }, () => {
  after(() => daemon?.[Symbol.asyncDispose]());

  test("keeps old slivers and their processes by the old engine, and makes new ones by the new", async () => {
    await using directory = await temporaryDirectory();
    await using lab = await nodeLab({
      configured: true,
      capacity: { ...CAPACITY, diskMib: 2_000 }, // which the container engine wants to see on the machine
      config: {
        images: ["busybox"],
        imagesDirectory: join(directory.path, "images"),
        dockerSocket: daemon!.socket,
      },
      deadlines: { answerMs: 30_000, ensureMs: 60_000, engineMs: 30_000 },
    });
    const people = await person(lab, directory.path);
    try {
      await move(lab, "simulated");
      assert.equal((await people.make("princeton_pretended")).engine, "simulated");

      // simulated → container
      await move(lab, "container", "simulated");
      assert.equal((await people.make("princeton_old")).engine, "container");
      const before = await people.start("princeton_old");

      // container → docker, and simulated is dropped while it has a sliver
      await move(lab, "docker", "container");
      assert.equal((await people.make("princeton_new")).engine, "docker");
      const begun = await people.start("princeton_new");
      await people.make("princeton_named", "container");
      assert.deepEqual((await lab.alice.getconfig({})).engines, ["docker", "container"]);

      // container is dropped too
      await move(lab, "docker");
      assert.deepEqual((await lab.alice.getconfig({})).engines, ["docker"]);
      assert.deepEqual(
        await people.states(),
        new Map([
          ["princeton_pretended", "simulated running"],
          ["princeton_old", "container running"],
          ["princeton_new", "docker running"],
          ["princeton_named", "container running"],
        ]),
      );
      assert.equal(await people.processOf("princeton_old"), before, "the process was not touched");
      assert.equal(await people.processOf("princeton_new"), begun);

      // The new engine fails: its slivers alone are in doubt, and they come back.
      await daemon!.stop();
      await lab.node.reconciler.pass();
      const doubtful = await lab.alice.getstatus({ slice: "princeton_new" });
      assert.equal(doubtful.state, "unknown");
      assert.match(doubtful.conditions[0]!.reason, /Docker daemon does not answer/);
      assert.equal(await people.processOf("princeton_old"), before);
      await daemon!.start();
      await eventually(async () => {
        await lab.node.reconciler.pass();
        return (await people.states()).get("princeton_new") === "docker running";
      });
      assert.equal((await people.ssh("princeton_new", "cat /root/kept")).out, "kept\n");

      const lease = lab.lease(await lab.alice.renewlease({ slice: "princeton_old" }));
      assert.equal(lease.engine, "container");
    } finally {
      for (const slice of people.slices) await lab.alice.deletelease({ slice });
    }
    assert.deepEqual(await lab.alice.getleases(), []);
    await lab.stop();
    assert.doesNotMatch(await readFile("/proc/self/mountinfo", "utf8"), new RegExp(lab.state));
  });
});

/** Restarts the node manager with these engines, the usual one first. */
async function move(lab: NodeLab, ...engines: [EngineName, ...EngineName[]]): Promise<void> {
  lab.engines.splice(0, lab.engines.length, ...engines);
  await lab.restart();
  await lab.node.reconciler.pass();
}

/** Alice, who enters her slivers with the unmodified OpenSSH client. */
async function person(lab: NodeLab, directory: string) {
  const key = join(directory, "key");
  await runToSuccess("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  const shown = (await readFile(`${key}.pub`, "utf8")).split(" ").slice(0, 2).join(" ");
  const slices: string[] = [];

  function ssh(slice: string, command: string) {
    const options = ["StrictHostKeyChecking=no", `UserKnownHostsFile=${directory}/known`, "LogLevel=ERROR"];
    const args = ["-i", key, "-p", String(lab.node.sshPort), ...options.flatMap((one) => ["-o", one])];
    return runProgram("ssh", [...args, `${slice}@127.0.0.1`, command]);
  }

  return {
    slices,
    ssh,
    async make(slice: string, engine?: EngineName) {
      const ticket = await lab.ticket({ slice, engine, resources });
      const lease = lab.lease(await lab.alice.newlease({ ticketdata: ticket.text }));
      slices.push(slice);
      await lab.alice.addkey({ slice, key: shown });
      return lease;
    },
    /** Starts something that lasts; gives its number and start time inside. */
    async start(slice: string): Promise<string> {
      const script =
        "trap '' HUP; echo kept > /root/kept; sleep 10000 >/dev/null 2>&1 & echo $! > /root/number";
      assert.equal((await ssh(slice, script)).code, 0);
      return await this.processOf(slice);
    },
    async processOf(slice: string): Promise<string> {
      const { out, code, err } = await ssh(slice, "cut -d' ' -f1,22 /proc/$(cat /root/number)/stat");
      assert.equal(code, 0, err);
      assert.match(out, /^\d+ \d+\n$/);
      return out;
    },
    async states(): Promise<Map<string, string>> {
      const all = await Promise.all(slices.map((slice) => lab.alice.getstatus({ slice })));
      return new Map(all.map(({ slice, engine, state }) => [slice, `${engine} ${state}`]));
    },
  };
}
