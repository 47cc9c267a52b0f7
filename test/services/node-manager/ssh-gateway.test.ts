import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { Command, RunningCommand } from "#services/node-manager/backends/backend.ts";
import { type SshKey, startSshGateway } from "#services/node-manager/ssh-gateway.ts";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";

const run = promisify(execFile);

/** Runs commands as plain processes of this machine: the gateway is what is tested, not an engine. */
const started: Command[] = [];
const ended: string[] = [];
async function execHere(id: string, command: Command): Promise<RunningCommand> {
  started.push(command);
  const [file, ...args] = command.argv;
  const child = spawn(file!, args, { env: { ...command.env, PATH: process.env.PATH }, detached: true });
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    exit: once(child, "close").then(([code, signal]) => ({ code: code ?? 128, signal })),
    kill: () => {
      ended.push(id);
      process.kill(-child.pid!, "SIGKILL");
    },
  };
}

async function gateway() {
  const directory = await mkdtemp(join(tmpdir(), "slicelab-ssh-"));
  const keys: SshKey[] = [];
  const server = await startSshGateway({
    host: "127.0.0.1",
    port: 0,
    hostKey: newSshKeyPair().privateKey,
    keysOf: (slice) => (slice === "oceanstore" ? keys : []),
    sliverOf: (slice) => (slice === "oceanstore" ? { id: "00000000000000aa" } : undefined),
    exec: execHere,
    log: () => {},
  });
  await writeFile(join(directory, "known_hosts"), `[127.0.0.1]:${server.port} ${server.publicKey}\n`);
  async function newKey(type: string, ...more: string[]): Promise<string> {
    const file = join(directory, `key-${keys.length}-${type}`);
    await run("ssh-keygen", ["-q", "-t", type, ...more, "-N", "", "-f", file]);
    const [keyType, blob] = (await readFile(`${file}.pub`, "utf8")).split(" ");
    keys.push({ type: keyType!, blob: blob! });
    return file;
  }
  function sshArguments(key: string, ...command: string[]): string[] {
    const options = [
      `UserKnownHostsFile=${directory}/known_hosts`,
      "StrictHostKeyChecking=yes",
      "BatchMode=yes",
      "IdentitiesOnly=yes",
      "LogLevel=ERROR",
    ].flatMap((o) => ["-o", o]);
    return [
      "-F",
      "none",
      ...options,
      "-i",
      key,
      "-p",
      String(server.port),
      "oceanstore@127.0.0.1",
      ...command,
    ];
  }
  async function ssh(key: string, command: string, input = "") {
    const child = spawn("ssh", sshArguments(key, command));
    const [out, errors]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (d) => out.push(d));
    child.stderr.on("data", (d) => errors.push(d));
    child.stdin.end(input);
    const [code] = await once(child, "close");
    return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(errors).toString() };
  }
  return {
    server,
    keys,
    newKey,
    ssh,
    sshArguments,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}

for (const [type, ...more] of [["ed25519"], ["rsa", "-b", "3072"], ["ecdsa"]] as const) {
  test(`OpenSSH's client enters with an ${type} key of the lease and gets output, errors and exit code`, async () => {
    await using door = await gateway();
    const key = await door.newKey(type, ...more);
    const answer = await door.ssh(key, "echo out; echo err >&2; exit 7");
    assert.deepEqual(answer, { code: 7, stdout: "out\n", stderr: "err\n" });
  });
}

test("input reaches the command and large output comes back whole", async () => {
  await using door = await gateway();
  const key = await door.newKey("ed25519");
  const megabytes = "0123456789abcdef".repeat(512 * 1024);
  const answer = await door.ssh(key, "cat", megabytes);
  assert.equal(answer.code, 0);
  assert.equal(answer.stdout.length, megabytes.length);
  assert.ok(answer.stdout === megabytes);
});

test("a shell without a terminal runs what is typed into it", async () => {
  await using door = await gateway();
  const key = await door.newKey("ed25519");
  const child = spawn("ssh", ["-T", ...door.sshArguments(key)]);
  child.stdin.end("echo from-the-shell\nexit 3\n");
  let output = "";
  child.stdout.on("data", (d) => {
    output += d;
  });
  const [code] = await once(child, "close");
  assert.match(output, /from-the-shell/);
  assert.equal(code, 3);
});

test("only the language of the environment is passed on, never what changes what runs", async () => {
  await using door = await gateway();
  const key = await door.newKey("ed25519");
  const argv = ["-o", "SetEnv=LC_ALL=C LD_PRELOAD=/tmp/evil.so"].concat(door.sshArguments(key, "true"));
  await run("ssh", argv);
  const { SSH_CLIENT: _from, SSH_CONNECTION: _over, ...env } = started.at(-1)!.env!;
  assert.deepEqual(env, { LC_ALL: "C" });
});

test("a key that the lease does not list, another slice's name, or no key is refused", async () => {
  await using door = await gateway();
  const key = await door.newKey("ed25519");
  door.keys.length = 0;
  const refused = await door.ssh(key, "true");
  assert.equal(refused.code, 255);
  assert.match(refused.stderr, /Permission denied \(publickey\)/);
});

test("a listed key that the client cannot sign with is refused", async () => {
  await using door = await gateway();
  const mine = await door.newKey("ed25519");
  const theirs = await door.newKey("ed25519", "-C", "theirs");
  door.keys.shift();
  // The client offers the listed public key but holds another private key.
  await writeFile(`${mine}.pub`, await readFile(`${theirs}.pub`));
  assert.equal((await door.ssh(mine, "true")).code, 255);
});

test("a key works from the moment it is added and not after it was taken away", async () => {
  await using door = await gateway();
  const key = await door.newKey("ed25519");
  assert.equal((await door.ssh(key, "true")).code, 0);
  const [removed] = door.keys.splice(0, 1);
  assert.equal((await door.ssh(key, "true")).code, 255);
  door.keys.push(removed!);
  assert.equal((await door.ssh(key, "true")).code, 0);
});

test("a client that goes away ends its command", { timeout: 20_000 }, async () => {
  await using door = await gateway();
  const key = await door.newKey("ed25519");
  const before = ended.length;
  const child = spawn("ssh", door.sshArguments(key, "echo started; exec tail -f /dev/null"));
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "close");
  while (ended.length === before) await new Promise(setImmediate);
  assert.equal(ended.length, before + 1);
});

test("disconnecting a slice ends its connections", { timeout: 20_000 }, async () => {
  await using door = await gateway();
  const key = await door.newKey("ed25519");
  const child = spawn("ssh", door.sshArguments(key, "echo started; exec tail -f /dev/null"));
  await once(child.stdout, "data");
  door.server.disconnect("oceanstore");
  const [code] = await once(child, "close");
  assert.notEqual(code, 0);
});

test("bytes that are not ssh end that connection and the next client is served", async () => {
  await using door = await gateway();
  const key = await door.newKey("ed25519");
  const { connect } = await import("node:net");
  const socket = connect(door.server.port, "127.0.0.1");
  socket.on("error", () => {}).resume();
  socket.write(`${"x".repeat(100_000)}\r\n`);
  await once(socket, "close");
  assert.equal((await door.ssh(key, "true")).code, 0);
});
