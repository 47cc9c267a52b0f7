import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import {
  type AddressInfo,
  connect,
  createServer,
  type NetConnectOpts,
  type Server,
  type Socket,
} from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { eventually, within } from "#test/support/deadline.ts";
import { ownPort } from "#testbed/own-port.ts";
import { engineProbe } from "../backends/container-bench.ts";
import { type SshSliverLab, sshSliverLab } from "../lab/ssh-sliver-lab.ts";

const probe = await engineProbe();

/** Speaks first, and says only at the end of everything how much it has got: over a connection closed by halves. */
const COUNTING = `use IO::Socket::INET; $SIG{CHLD} = "IGNORE";
$s = IO::Socket::INET->new(LocalAddr => "0.0.0.0", LocalPort => 8080, Listen => 50, ReuseAddr => 1) or die;
while ($c = $s->accept) {
  if (!fork) { print $c "hello\\n"; $c->flush; $n = 0; while (sysread($c, $b, 65536)) { $n += length $b } print $c "got $n\\n"; exit }
  close $c;
}`;

/** The same at this end. */
function countingServer(): Server {
  const server = createServer({ allowHalfOpen: true }, async (socket) => {
    socket.on("error", () => undefined);
    socket.write("hello\n");
    let got = 0;
    for await (const chunk of socket) got += chunk.length;
    socket.end(`got ${got}\n`);
  });
  return server.listen(0, "127.0.0.1");
}

/** Sends so many bytes and gives back everything that comes. */
async function exchange(to: NetConnectOpts, bytes: number): Promise<string> {
  const socket = connect({ ...to, allowHalfOpen: true });
  socket.end(Buffer.alloc(bytes));
  return Buffer.concat(await socket.toArray()).toString();
}

describe("connections through a sliver", { skip: !probe.ok && probe.reason, timeout: 600_000 }, () => {
  let lab: SshSliverLab;
  before(async () => {
    lab = await sshSliverLab();
    await inside(`nohup perl -e '${COUNTING}' >/dev/null 2>&1 & until nc -z localhost 8080; do :; done`);
  });
  after(() => lab[Symbol.asyncDispose]());

  async function inside(command: string): Promise<string> {
    const { code, out, err } = await lab.ssh("oceanstore", command);
    assert.equal(code, 0, err);
    return out;
  }

  /** A client that only forwards; waits until it does. */
  async function forward(...args: string[]): Promise<AsyncDisposable & { readonly mux: string[] }> {
    const mux = ["-S", join(lab.directory, `mux${Math.random()}`)];
    const child = lab.start("-M", ...mux, "-N", "-o", "ExitOnForwardFailure=yes", ...args, "oceanstore");
    await eventually(async () => (await lab.ssh(...mux, "-O", "check", "oceanstore")).code === 0);
    return {
      mux,
      async [Symbol.asyncDispose]() {
        child.kill();
        if (child.exitCode === null) await within(once(child, "close"));
      },
    };
  }

  test("reach a port of its loopback, whoever speaks first and whoever ends first", async () => {
    const path = join(lab.directory, "local");
    await using _client = await forward("-L", `${path}:localhost:8080`);
    for (const bytes of [0, 1, 5_000_000]) {
      assert.equal(await exchange({ path }, bytes), `hello\ngot ${bytes}\n`);
    }
  });

  test("reach it over standard input and output, by address, and by the names a sliver has", async () => {
    for (const host of ["localhost", "127.0.0.1", "oceanstore"]) {
      const { code, out } = await lab.run("ssh", ["-W", `${host}:8080`, "oceanstore"], { input: "four" });
      assert.deepEqual([code, out], [0, "hello\ngot 4\n"]);
    }
  });

  test("reach it fifty at a time", async () => {
    const path = join(lab.directory, "many");
    await using _client = await forward("-L", `${path}:localhost:8080`);
    const answers = Array.from({ length: 50 }, (_, at) => exchange({ path }, 1000 * at));
    for (const [at, answer] of (await Promise.all(answers)).entries()) {
      assert.equal(answer, `hello\ngot ${1000 * at}\n`);
    }
  });

  test("go where a SOCKS client says", async () => {
    const port = await ownPort();
    await using _client = await forward("-D", `127.0.0.1:${port}`);
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const name = Buffer.from("localhost");
    // RFC 1928: no authentication; then connect to a name. Each is answered before the next is said.
    socket.write(Buffer.from([5, 1, 0]));
    await once(socket, "readable");
    assert.deepEqual([...socket.read(2)], [5, 0]);
    socket.write(
      Buffer.concat([Buffer.from([5, 1, 0, 3, name.length]), name, Buffer.from([8080 >> 8, 8080 & 255])]),
    );
    await once(socket, "readable");
    assert.deepEqual([...socket.read(2)], [5, 0]);
    socket.end("seven b");
    const answer = Buffer.concat(await socket.toArray());
    assert.equal(answer.subarray(-"hello\ngot 7\n".length).toString(), "hello\ngot 7\n");
  });

  test("never reach what only the node reaches", async () => {
    await using nodes = countingServer();
    await once(nodes, "listening");
    const { port } = nodes.address() as AddressInfo;
    assert.equal(await exchange({ port, host: "127.0.0.1" }, 3), "hello\ngot 3\n");
    for (const host of ["localhost", "127.0.0.1", "::1", "0.0.0.0"]) {
      const { code, err } = await lab.ssh("-W", `[${host}]:${port}`, "oceanstore");
      assert.notEqual(code, 0, host);
      assert.match(err, /stdio forwarding failed/);
    }
  });

  test("are opened by a process that stands in the sliver's network, with no rights at all", async () => {
    await lab.run("ssh", ["-W", "localhost:8080", "oceanstore"]);
    const pids = outposts();
    assert.equal(pids.length, 1);
    const status = await readFile(`/proc/${pids[0]}/status`, "utf8");
    assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
    assert.match(status, /^Gid:\t65534\t65534\t65534\t65534$/m);
    assert.match(status, /^Groups:\t *$/m);
    assert.match(status, /^CapEff:\t0{16}$/m);
  });

  /** Those of this process: other tests may have theirs. */
  function outposts(): number[] {
    const lines = execFileSync("ps", ["-eo", "pid=,ppid=,args="]).toString().split("\n");
    const fields = lines.map((line) => /^ *(\d+) +(\d+) (.*)$/.exec(line));
    return fields.flatMap((found) =>
      found && Number(found[2]) === process.pid && found[3]!.includes("outpost-process")
        ? [Number(found[1])]
        : [],
    );
  }

  test("come out of it, to the client's side, from ports of its loopback", async () => {
    await using here = countingServer();
    await once(here, "listening");
    const { port } = here.address() as AddressInfo;
    await using client = await forward("-R", `9000:127.0.0.1:${port}`);
    assert.equal(await inside("head -c 100000 /dev/zero | nc -N localhost 9000"), "hello\ngot 100000\n");
    assert.equal(await inside("nc -N localhost 9000 </dev/null"), "hello\ngot 0\n");
    const many = "for i in $(seq 20); do echo $i | nc -N localhost 9000 & done; wait";
    assert.equal((await inside(many)).match(/got [23]\n/g)?.length, 20);
    const outside = "nc -z -w 1 $(hostname -I) 9000 2>/dev/null || echo refused";
    assert.equal(await inside(outside), "refused\n", "it is on the loopback alone");

    const taken = await lab.ssh(
      "-o",
      "ExitOnForwardFailure=yes",
      "-R",
      `9000:127.0.0.1:${port}`,
      "oceanstore",
      "true",
    );
    assert.match(taken.err, /remote port forwarding failed for listen port 9000/);
    await lab.ssh(...client.mux, "-O", "cancel", "-R", `9000:127.0.0.1:${port}`, "oceanstore");
    await inside("nc -z localhost 9000 && exit 1; true");
    await using _again = await forward("-R", `9000:127.0.0.1:${port}`);
    assert.equal(await inside("echo | nc -N localhost 9000"), "hello\ngot 1\n");
  });

  test("may have a port chosen, and none that takes root's rights", async () => {
    await using here = countingServer();
    await once(here, "listening");
    const { port } = here.address() as AddressInfo;
    const client = lab.start("-N", "-o", "LogLevel=INFO", "-R", `0:127.0.0.1:${port}`, "oceanstore");
    let said = "";
    client.stderr!.on("data", (chunk) => {
      said += chunk;
    });
    const [, chosen] = await eventually(
      () => /Allocated port (\d+) for remote forward/.exec(said) ?? undefined,
    );
    assert.equal(await inside(`echo | nc -N localhost ${chosen}`), "hello\ngot 1\n");
    client.kill();
    await eventually(async () => (await lab.ssh("oceanstore", `nc -z localhost ${chosen}`)).code !== 0);
    const low = await lab.ssh(
      "-o",
      "ExitOnForwardFailure=yes",
      "-R",
      `80:127.0.0.1:${port}`,
      "oceanstore",
      "true",
    );
    assert.match(low.err, /remote port forwarding failed for listen port 80/);
  });

  test("end with the connection they came over, and with the sliver, of which nothing is held on to", async () => {
    const path = join(lab.directory, "ending");
    const client = await forward("-L", `${path}:localhost:8080`);
    const first = await greeted(connect({ path }));
    await client[Symbol.asyncDispose]();
    await within(first.closed);

    const again = join(lab.directory, "again");
    await using _client = await forward("-L", `${again}:localhost:8080`, "-R", "9100:127.0.0.1:9");
    const second = await greeted(connect({ path: again }));
    assert.equal(outposts().length, 1);
    await lab.backend.stop(lab.plans.oceanstore.id);
    await within(second.closed);
    await eventually(() => outposts().length === 0);
    await lab.backend.ensure(lab.plans.oceanstore);
    const refused = await lab.ssh("-W", "localhost:8080", "oceanstore");
    assert.match(refused.err, /stdio forwarding failed/, "its server went with it");
  });

  async function greeted(socket: Socket): Promise<{ closed: Promise<unknown> }> {
    socket.on("error", () => undefined);
    assert.equal(String((await once(socket, "data"))[0]), "hello\n");
    return { closed: once(socket.resume(), "close") };
  }
});
