import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import type { Backend, Command } from "#services/node-manager/backends/backend.ts";
import { Daemon } from "#services/node-manager/backends/docker/daemon.ts";
import { Demultiplexer } from "#services/node-manager/backends/docker/demultiplexer.ts";
import { fault, run, someNode, somePlan } from "#test/contract/backend.ts";
import { eventually } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { dockerIfPossible } from "#test/support/docker-daemon.ts";
import { type DockerBench, dockerBench } from "./docker-bench.ts";

const { daemon: docker, skip } = await dockerIfPossible();
const exec = promisify(execFile);
const PORT = 8080;

type Inspected = {
  State: { Pid: number };
  HostConfig: Record<string, unknown>;
};

describe("a docker sliver", { skip }, () => {
  const node = someNode();
  const plan = somePlan({
    resources: { cpuMillis: 250, memoryMib: 48, diskMib: 64, egressKbps: 0 },
    ceilings: { cpuMillis: 500, egressKbps: 2000 },
    ports: [{ protocol: "tcp", from: PORT, to: PORT }],
  });
  const { id } = plan;
  let bench: DockerBench;
  let backend: Backend;
  let daemon: Daemon;
  before(async () => {
    bench = await dockerBench(docker!);
    backend = await bench.open(node);
    daemon = await Daemon.find(docker!.socket);
    await backend.ensure(plan);
  });
  after(async () => {
    await bench[Symbol.asyncDispose]();
    await docker![Symbol.asyncDispose]();
  });

  const login = (script: string): Command => ({ argv: ["sh", "-c", script], user: "login" });
  async function inspect(): Promise<Inspected> {
    return daemon.ask({ purpose: "look", path: `/containers/slicelab-${node}-${id}/json` });
  }

  test("is entered by the account named like the slice, at home", async () => {
    const { stdout } = await run(backend, id, login('echo "$USER $HOME $PWD $(hostname)"'));
    assert.equal(stdout, "princeton_dns /home/princeton_dns /home/princeton_dns princeton_dns\n");
  });

  test("is known by the address that it has in the node's network", async () => {
    const { stdout } = await run(backend, id, { argv: ["sh", "-c", "hostname -i"] });
    assert.deepEqual([...backend.addresses!()!], [[stdout.trim(), id]]);
    await backend.list();
    assert.deepEqual([...backend.addresses!()!], [[stdout.trim(), id]]);
  });

  test("has its node tell its owner what it is not kept from", async () => {
    assert.deepEqual(backend.statement.notes, [], "nft works where this is tried: nothing is lacking");
  });

  test("tells its kernel the limits of its plan", async () => {
    const { HostConfig } = await inspect();
    const { CpuShares, CpuQuota, CpuPeriod, Memory, MemorySwap, PidsLimit } = HostConfig;
    assert.deepEqual(
      { CpuShares, CpuQuota, CpuPeriod, Memory, MemorySwap, PidsLimit },
      {
        ...{ CpuShares: 256, CpuQuota: 50_000, CpuPeriod: 100_000 },
        ...{ Memory: 48 << 20, MemorySwap: 48 << 20, PidsLimit: 512 },
      },
    );
    const hog = await run(backend, id, { argv: ["sh", "-c", "head -c 200m /dev/zero | tail >/dev/null"] });
    assert.notEqual(hog.code, 0);
    const { Pid } = (await inspect()).State;
    const { stdout } = await exec("nsenter", [
      `--net=/proc/${Pid}/ns/net`,
      "tc",
      "qdisc",
      "show",
      "dev",
      "eth0",
    ]);
    assert.match(stdout, /tbf .*rate 2Mbit/);
  });

  test("leaves its root only what slivers may do", async () => {
    const refused = ["mount -t tmpfs x /tmp", "mknod /tmp/sda b 8 0", "unshare -U true"];
    for (const attempt of [...refused, "echo 1 > /proc/sys/kernel/panic", "ip link set eth0 down"]) {
      assert.notEqual((await run(backend, id, { argv: ["sh", "-c", attempt] })).code, 0, attempt);
    }
    const { stdout } = await run(backend, id, {
      argv: ["sh", "-c", "grep -E 'CapBnd|Seccomp:' /proc/self/status; ls /proc/*/status | wc -l"],
    });
    assert.match(stdout, /CapBnd:\s+00000000200405fb\nSeccomp:\s+2\n/);
  });

  test("is reached on the ports its lease names, and only on the node's address", async () => {
    const serving = await backend.exec(id, {
      argv: ["sh", "-c", `echo served > /tmp/index.html; exec httpd -f -p ${PORT} -h /tmp`],
    });
    serving.stdout.resume();
    serving.stderr.resume();
    const url = `http://${docker!.address}:${PORT}/`;
    const fetched = await eventually(
      async () =>
        (await exec("nsenter", [`--net=/var/run/netns/${docker!.namespace}`, "busybox", "wget", "-qO-", url]))
          .stdout,
    );
    assert.equal(fetched, "served\n");
    serving.kill("SIGKILL");
    await serving.exit;
  });

  test("forwards connections in both directions", async () => {
    const listening = await backend.listen!(id, 0);
    listening.onConnection((socket) => socket.end("from outside\n"));
    const { stdout } = await run(backend, id, { argv: ["nc", "127.0.0.1", String(listening.port)] });
    assert.equal(stdout, "from outside\n");
    listening.close();
    const inside = await backend.exec(id, { argv: ["nc", "-l", "-p", "7000", "-e", "echo", "from inside"] });
    const connected = await eventually(() => backend.connect!(id, "localhost", 7000));
    connected.end();
    assert.equal(await text(connected), "from inside\n");
    await assert.rejects(backend.connect!(id, "localhost", 7001), fault("BACKEND_FAILED"));
    await assert.rejects(backend.connect!(id, "no-such-name.invalid", 7001), fault("BACKEND_FAILED"));
    inside.kill("SIGKILL");
  });

  test("gives a terminal its size, and another one when it is told", async () => {
    const terminal = { type: "xterm", columns: 80, rows: 24 };
    const argv = ["sh", "-c", "stty size; read line; stty size; echo $TERM"];
    const running = await backend.exec(id, { argv, terminal });
    const [first] = (await once(running.stdout, "data")) as [Buffer];
    assert.equal(String(first), "24 80\r\n");
    running.resize!(132, 43);
    running.resize!(-1, 7);
    running.stdin.write("\r");
    running.stderr.resume();
    assert.match(await text(running.stdout), /^(\r\n)?43 132\r\nxterm\r\n$/);
    assert.equal((await running.exit).code, 0);
    running.resize!(80, 24); // it has ended: nothing
  });

  test("ends a command that cannot be started with 127, and says nothing in its name", async () => {
    assert.deepEqual(await run(backend, id, { argv: ["no-such-program"] }), {
      code: 127,
      stdout: "",
      stderr: "",
    });
    const terminal = { type: "xterm", columns: 80, rows: 24 };
    const shown = await backend.exec(id, { argv: ["no-such-program"], terminal });
    shown.stdout.resume();
    shown.stderr.resume();
    assert.equal((await shown.exit).code, 127);
  });

  test("keeps what its users made of their accounts when it is started again", async () => {
    const marker = "mail:x:8:8::/:/bin/false";
    await run(backend, id, { argv: ["sh", "-c", `echo ${marker} >> /etc/passwd`] });
    await backend.stop(id);
    await backend.ensure(plan);
    assert.match(
      (await run(backend, id, { argv: ["cat", "/etc/passwd"] })).stdout,
      new RegExp(`${marker}\n$`),
    );
  });

  test("loses no output to a reader that takes its time", async () => {
    const argv = ["sh", "-c", "head -c 3000000 /dev/zero; echo end >&2"];
    const running = await backend.exec(id, { argv });
    const stderr = text(running.stderr);
    let bytes = 0;
    for await (const chunk of running.stdout) bytes += (chunk as Buffer).length;
    assert.deepEqual([bytes, await stderr, (await running.exit).code], [3_000_000, "end\n", 0]);
  });

  test("hangs up on terminals that lost their node manager, and leaves everything else alone", async () => {
    const terminal = { type: "xterm", columns: 80, rows: 24 };
    const lost = await backend.exec(id, { argv: ["sleep", "1000"], terminal });
    const kept = await backend.exec(id, { argv: ["sleep", "1001"] });
    for (const { stdout, stderr } of [lost, kept]) {
      stdout.resume();
      stderr.resume();
    }
    const pid = (await inspect()).State.Pid;
    await bench.open(node);
    assert.equal((await lost.exit).code, 129);
    assert.equal((await inspect()).State.Pid, pid);
    kept.kill();
    assert.equal((await kept.exit).code, 143);
  });

  test("sees the whole node and has its capabilities where it is administrative", async () => {
    const administrative = somePlan({ administrative: ["CAP_NET_RAW"] });
    await backend.ensure(administrative);
    try {
      const { stdout } = await run(backend, administrative.id, {
        argv: ["sh", "-c", "cat /proc/1/comm; ls /sys/class/net; grep CapEff /proc/self/status"],
      });
      assert.match(stdout, /docker0/);
      assert.doesNotMatch(stdout, /^init|catatonit/);
      assert.match(stdout, /CapEff:\s+00000000200425fb/);
      assert.deepEqual(
        (await backend.list()).map(({ id: one }) => one).sort(),
        [id, administrative.id].sort(),
      );
    } finally {
      await backend.remove(administrative.id);
    }
  });

  test("is made anew where a node manager broke off before it had started, and removed however little there is", async () => {
    const [made, dropped] = [somePlan(), somePlan()];
    for (const half of [made, dropped]) {
      const Labels = { "slicelab.node": node, "slicelab.sliver": half.id };
      await daemon.tell({
        ...{ purpose: "half make", method: "POST", path: "/containers/create" },
        query: { name: `slicelab-${node}-${half.id}` },
        body: { Image: "slicelab/busybox:busybox", Cmd: ["/no-such-program"], Labels },
      });
    }
    const again = await bench.open(node);
    const states = new Map((await again.list()).map((fact) => [fact.id, fact.state]));
    assert.deepEqual([states.get(made.id), states.get(dropped.id)], ["stopped", "stopped"]);
    await again.remove(dropped.id);
    await again.ensure(made);
    assert.equal((await run(again, made.id, { ...login("echo $USER") })).stdout, "princeton_dns\n");
    await again.remove(made.id);
    assert.deepEqual(await again.list(), [{ id, state: "running" }]);
  });

  test("says that a disk is bound only where the daemon can do it", async () => {
    const bound = backend.statement.abilities.includes("disk-bound");
    const { StorageOpt } = (await inspect()).HostConfig;
    assert.equal(StorageOpt !== null && StorageOpt !== undefined, bound);
  });

  test("is kept from link-local addresses, and leaves nothing but its image", async () => {
    const tables = async () => (await exec("nft", ["list", "ruleset"])).stdout;
    assert.match(await tables(), new RegExp(`iifname "dk${node}" ip daddr 169.254.0.0/16 drop`));
    await backend.remove(id);
    assert.ok(!(await tables()).includes(node));
    const filters = JSON.stringify({ label: [`slicelab.node=${node}`] });
    for (const path of ["/containers/json", "/networks", "/volumes"]) {
      const query: Record<string, string> = path === "/containers/json" ? { all: "1", filters } : { filters };
      const left = await daemon.ask<{ Volumes?: unknown[] } | unknown[]>({ purpose: "list", path, query });
      assert.deepEqual(Array.isArray(left) ? left : (left.Volumes ?? []), [], path);
    }
    await backend.ensure(plan);
  });

  test("is said to be in trouble, not gone, while the daemon is away, and comes back on its disk", async () => {
    await run(backend, id, { argv: ["sh", "-c", "echo mine > /root/note"] });
    await docker!.stop();
    await assert.rejects(backend.list(), fault("BACKEND_FAILED"));
    await assert.rejects(backend.exec(id, { argv: ["true"] }), fault("BACKEND_FAILED"));
    await docker!.start();
    assert.deepEqual(await backend.list(), [{ id, state: "stopped" }]);
    await backend.ensure(plan);
    assert.equal((await run(backend, id, { argv: ["cat", "/root/note"] })).stdout, "mine\n");
  });
});

test("a socket behind which there is no daemon, an old one, or another server, is refused", async () => {
  await using directory = await temporaryDirectory();
  const socket = join(directory.path, "socket");
  await assert.rejects(Daemon.find(socket), fault("BACKEND_FAILED"));
  for (const version of ["1.24", undefined]) {
    const server = createServer((_request, answer) => {
      if (version) answer.setHeader("api-version", version);
      answer.end("OK");
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    await assert.rejects(Daemon.find(socket), fault("BACKEND_FAILED"));
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test("outputs that come in pieces of any size are taken apart", async () => {
  const frame = (output: number, said: string) =>
    Buffer.concat([Buffer.from([output, 0, 0, 0, 0, 0, 0, said.length]), Buffer.from(said)]);
  const sent = Buffer.concat([
    frame(1, "one "),
    frame(2, "bad "),
    frame(1, ""),
    frame(2, "news"),
    frame(1, "two"),
  ]);
  for (let size = 1; size <= sent.length; size++) {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const taking = new Demultiplexer({ stdout, stderr });
    for (let at = 0; at < sent.length; at += size) taking.write(sent.subarray(at, at + size));
    taking.end();
    assert.deepEqual(await Promise.all([text(stdout), text(stderr)]), ["one two", "bad news"]);
  }
});
