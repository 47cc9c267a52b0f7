import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import ssh2, { type ClientChannel } from "ssh2";
import type { Command } from "#services/node-manager/backends/backend.ts";
import { Fault } from "#shared/model/errors.ts";
import { eventually, within } from "#test/support/deadline.ts";
import { localExec, type SshLab, sshLab } from "../lab/ssh-lab.ts";

test("input reaches the command and large output comes back whole", async () => {
  await using lab = await sshLab(localExec());
  await lab.newKey();
  const megabytes = "0123456789abcdef".repeat(512 * 1024);
  const { code, out } = await lab.run("ssh", ["oceanstore", "cat"], { input: megabytes });
  assert.equal(code, 0);
  assert.ok(out === megabytes, `${out.length} of ${megabytes.length} characters`);
});

test("nothing is lost while the connection changes its keys again and again, in both directions", async () => {
  await using lab = await sshLab(localExec());
  await lab.newKey();
  const megabytes = "0123456789abcdef".repeat(128 * 1024);
  const often = ["-o", "RekeyLimit=300K"];
  const { code, out } = await lab.run("ssh", [...often, "oceanstore", "cat"], { input: megabytes });
  assert.equal(code, 0);
  assert.ok(out === megabytes, `${out.length} of ${megabytes.length} characters`);
});

test("output comes whole and with its exit code, however slowly the client reads", async () => {
  await using lab = await sshLab(localExec());
  await lab.newKey();
  const bytes = 20_000_000;
  const child = lab.start("oceanstore", `head -c ${bytes} /dev/zero; exit 5`);
  let read = 0;
  child.stdout!.on("data", (chunk: Buffer) => {
    read += chunk.length;
    child.stdout!.pause();
    setImmediate(() => child.stdout!.resume());
  });
  const [code] = await once(child, "close");
  assert.deepEqual([read, code], [bytes, 5]);
});

test("the exit code is said after the last byte: some clients listen to nothing after it", async () => {
  const local = localExec();
  await using lab = await sshLab(local);
  await using client = await otherClient(lab);
  const bytes = 4_500_000; // more than the client takes unread, by less than what the gateway keeps for it
  const channel = await client.exec(`head -c ${bytes} /dev/zero; exit 5`);
  const heard: number[] = [];
  channel.on("exit", (code: number) => heard.push(code));
  await eventually(() => local.running === 0);
  await once((await client.exec("true")).resume(), "close"); // what was said before this has been heard
  assert.deepEqual(heard, []);
  assert.equal(Buffer.concat(await channel.toArray()).length, bytes);
  assert.deepEqual(heard, [5]);
});

test("a shell without a terminal runs what is typed into it", async () => {
  await using lab = await sshLab(localExec());
  await lab.newKey();
  const { code, out } = await lab.run("ssh", ["-T", "oceanstore"], {
    input: "echo from-the-shell\nexit 3\n",
  });
  assert.match(out, /from-the-shell/);
  assert.equal(code, 3);
});

test("a command is the login user's, in a shell of theirs, and nothing in it is the node's", async () => {
  const local = localExec();
  await using lab = await sshLab(local);
  await lab.newKey();
  const hostile = `echo "$0|"'a b'"|$(echo sub)|\\\\"; false || echo end`;
  assert.equal((await lab.ssh("oceanstore", hostile)).out, "/bin/sh|a b|sub|\\\nend\n");
  const [command] = local.commands;
  assert.deepEqual([command!.user, command!.title, command!.terminal], ["login", hostile, undefined]);
});

test("only the language of the environment is passed on, never what changes what runs", async () => {
  const local = localExec();
  await using lab = await sshLab(local);
  await lab.newKey();
  await lab.ssh(
    "-o",
    "SetEnv=LC_ALL=C LD_PRELOAD=/tmp/evil.so PATH=/tmp SSH_CLIENT=me",
    "oceanstore",
    "true",
  );
  const { SSH_CLIENT, SSH_CONNECTION, ...env } = local.commands[0]!.env!;
  assert.deepEqual(env, { LC_ALL: "C" });
  assert.match(SSH_CLIENT!, new RegExp(`^127\\.0\\.0\\.1 \\d+ ${lab.gateway.port}$`));
  assert.match(SSH_CONNECTION!, new RegExp(`^127\\.0\\.0\\.1 \\d+ 127\\.0\\.0\\.1 ${lab.gateway.port}$`));
});

test("a client that goes away ends its command, also one that reads nothing of what was sent", async () => {
  const local = localExec();
  await using lab = await sshLab(local);
  await lab.newKey();
  const reads = lab.start("oceanstore", "echo started; exec tail -f /dev/null");
  const reading = once(reads.stdout!, "data");
  const ignores = lab.start("oceanstore", "echo started; exec sleep 1000");
  ignores.stdin!.write(Buffer.alloc(8_000_000));
  ignores.stdin!.on("error", () => undefined);
  await Promise.all([reading, once(ignores.stdout!, "data")]);
  for (const child of [reads, ignores]) child.kill("SIGKILL");
  await eventually(() => local.running === 0);
  assert.deepEqual(local.signals, ["SIGHUP", "SIGHUP"]);
});

test("one command that is given up over a shared connection ends alone", async () => {
  const local = localExec();
  await using lab = await sshLab(local);
  await using client = await otherClient(lab); // OpenSSH's never gives up one of several
  const begin = async (command: string) => {
    const channel = await client.exec(command);
    await once(channel, "data");
    return channel;
  };
  const [kept, given] = [await begin("echo in; cat"), await begin("echo in; exec sleep 1000")];
  given.close();
  await eventually(() => local.running === 1);
  assert.deepEqual(local.signals, ["SIGHUP"]);
  kept.end("still here");
  assert.equal(String((await once(kept, "data"))[0]), "still here");
});

/** A client that is not OpenSSH's, for what OpenSSH's does not show. */
async function otherClient(
  lab: SshLab,
): Promise<AsyncDisposable & { exec(command: string): Promise<ClientChannel> }> {
  const privateKey = await readFile(await lab.newKey());
  const client = new ssh2.Client();
  client.connect({ host: "127.0.0.1", port: lab.gateway.port, username: "oceanstore", privateKey });
  await once(client, "ready");
  return {
    exec: promisify(client.exec.bind(client) as Exec),
    async [Symbol.asyncDispose]() {
      const closed = once(client, "close");
      client.end();
      await closed;
    },
  };
}

type Exec = (command: string, told: (error: Error | undefined, channel: ClientChannel) => void) => void;

test("a client that leaves before its command has started ends it all the same", async () => {
  const local = localExec();
  const slow = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  await using lab = await sshLab({
    async exec(id, command) {
      asked.resolve();
      await slow.promise;
      return local.exec(id, command);
    },
  });
  await lab.newKey();
  const child = lab.start("oceanstore", "exec sleep 1000");
  await asked.promise;
  child.kill("SIGKILL");
  await once(child, "close");
  slow.resolve();
  await eventually(() => local.signals.length === 1 && local.running === 0);
});

test("a sliver that is not running now is told in a sentence, and so is one that is gone", async () => {
  const exec = () => Promise.reject(new Fault("BACKEND_FAILED", "the sliver 00aa is stopped"));
  await using lab = await sshLab({ exec });
  await lab.newKey();
  const stopped = await lab.ssh("oceanstore", "true");
  assert.equal(stopped.code, 126);
  assert.match(
    stopped.err,
    /^slicelab: the sliver of slice oceanstore is not running; .* try again in a moment\r?\n$/,
  );
  const master = lab.start("-M", "-N", "-S", `${lab.directory}/mux`, "oceanstore");
  await eventually(
    async () => (await lab.ssh("-S", `${lab.directory}/mux`, "-O", "check", "oceanstore")).code === 0,
  );
  lab.slices.delete("oceanstore");
  const gone = await lab.ssh("-S", `${lab.directory}/mux`, "oceanstore", "true");
  assert.equal(gone.code, 255);
  assert.match(gone.err, /slice oceanstore has no sliver on this node any more/);
  master.kill();
});

test("a defect of the engine ends that command, and the next one is served", async () => {
  const local = localExec();
  let broken = true;
  await using lab = await sshLab({
    exec(id, command) {
      if (broken) throw new TypeError("undefined is not a function");
      return local.exec(id, command);
    },
  });
  await lab.newKey();
  assert.equal((await lab.ssh("oceanstore", "true")).code, 126);
  assert.ok(lab.events.some(({ details }) => String(details.reason).includes("undefined is not a function")));
  broken = false;
  assert.equal((await lab.ssh("oceanstore", "true")).code, 0);
});

test("a terminal is asked of the engine as the client has it, and as nothing a program would choke on", async () => {
  const commands: Command[] = [];
  const local = localExec();
  await using lab = await sshLab({
    exec(id, command) {
      commands.push(command);
      return local.exec(id, command);
    },
  });
  await lab.newKey();
  for (const type of ["xterm-256color", "/../../evil", "x".repeat(100)]) {
    const child = lab.start("-tt", "-o", `SetEnv=TERM=${type}`, "oceanstore", "true");
    await within(once(child, "close"));
  }
  const types = commands.map(({ terminal }) => terminal?.type);
  assert.deepEqual(types, ["xterm-256color", "dumb", "dumb"]);
});

test("agents, X11, sockets and unknown subsystems are forwarded for nobody, and ssh says so", async () => {
  const local = localExec();
  await using lab = await sshLab(local);
  await lab.newKey();
  const agent = await lab.ssh("-A", "oceanstore", "echo agent:$SSH_AUTH_SOCK");
  assert.deepEqual([agent.code, agent.out], [0, "agent:\n"]);
  const x11 = await lab.ssh("-X", "-o", "LogLevel=INFO", "oceanstore", "echo display:$DISPLAY");
  assert.deepEqual([x11.code, x11.out], [0, "display:\n"]);
  const subsystem = await lab.ssh("-s", "oceanstore", "netconf");
  assert.notEqual(subsystem.code, 0);
  assert.match(subsystem.err, /subsystem request failed/);
  const backwards = ["-o", "ExitOnForwardFailure=yes", "-R", "/tmp/inside:/tmp/outside"];
  assert.match((await lab.ssh(...backwards, "oceanstore", "true")).err, /remote port forwarding failed/);
});

test("where the engine can't forward connections, they are refused and commands go on", async () => {
  await using lab = await sshLab(localExec());
  await lab.newKey();
  const through = await lab.ssh("-W", "localhost:22", "oceanstore");
  assert.notEqual(through.code, 0);
  assert.match(through.err, /stdio forwarding failed/);
  const backwards = ["-o", "ExitOnForwardFailure=yes", "-R", "0:localhost:22"];
  assert.match((await lab.ssh(...backwards, "oceanstore", "true")).err, /remote port forwarding failed/);
  assert.equal((await lab.ssh("oceanstore", "true")).code, 0);
});
