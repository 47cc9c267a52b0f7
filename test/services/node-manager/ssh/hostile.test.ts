import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import ssh2 from "ssh2";
import type { ListeningPort } from "#services/node-manager/backends/backend.ts";
import { eventually, lapse } from "#test/support/deadline.ts";
import { localExec, type SshLab, sshLab } from "../lab/ssh-lab.ts";

/** A client that means ill: somebody's who has a key of the slice. The library's insides are its tools. */
type HostileClient = AsyncDisposable & {
  readonly socket: Socket;
  exec(command: string): Promise<HostileChannel>;
  /** Says that so much more may be sent on a channel. */
  widen(channel: HostileChannel, bytes: number): void;
  /** Has a port of the sliver forwarded, and never answers when somebody comes by it. */
  listen(port: number): Promise<void>;
  /** Opens a session and asks nothing in it; whether it was let. */
  openSession(): Promise<boolean>;
};
type HostileChannel = ssh2.ClientChannel & { outgoing: { id: number; window: number } };
type Insides = {
  readonly _sock: Socket;
  readonly _chanMgr: { add(told: (error?: Error) => void): number };
  readonly _protocol: {
    channelWindowAdjust(id: number, by: number): void;
    session(id: number, window: number, packet: number): void;
  };
};

const ENDLESS = 2 ** 31;

async function hostileClient(lab: SshLab): Promise<HostileClient> {
  const privateKey = await readFile(await lab.newKey());
  const client = new ssh2.Client() as ssh2.Client & Insides;
  client.on("error", () => undefined); // it is sent away
  const closed = new Promise<void>((resolve) => client.on("close", () => resolve()));
  client.connect({ host: "127.0.0.1", port: lab.gateway.port, username: "oceanstore", privateKey });
  await once(client, "ready");
  const { _sock: socket, _protocol: protocol, _chanMgr: channels } = client;
  return {
    socket,
    exec: (command) =>
      new Promise((resolve, reject) => {
        client.exec(command, (error, channel) =>
          error ? reject(error) : resolve(channel as HostileChannel),
        );
      }),
    widen: (channel, bytes) => protocol.channelWindowAdjust(channel.outgoing.id, bytes),
    listen: (port) =>
      new Promise((resolve, reject) => {
        client.on("tcp connection", () => undefined);
        client.forwardIn("127.0.0.1", port, (error) => (error ? reject(error) : resolve()));
      }),
    openSession: () =>
      new Promise((resolve) => {
        const told = Object.assign((error?: Error) => resolve(!error), { type: "session" });
        protocol.session(channels.add(told), 1 << 21, 1 << 15);
      }),
    async [Symbol.asyncDispose]() {
      client.destroy();
      await closed;
    },
  };
}

/** Whether a well-meaning client is served as if nothing were. */
async function othersAreServed(lab: SshLab): Promise<void> {
  const { code, out } = await lab.ssh("oceanstore", "echo served");
  assert.deepEqual([code, out], [0, "served\n"]);
}

test("a client that says its window has no end, and then takes nothing, fills no memory of ours", async () => {
  const local = localExec();
  let produced = 0;
  await using lab = await sshLab({
    async exec(id, command) {
      const running = await local.exec(id, command);
      running.stdout.on("data", (chunk: Buffer) => {
        produced += chunk.length;
      });
      return running;
    },
  });
  await using client = await hostileClient(lab);
  const channel = await client.exec("echo in; exec cat /dev/zero");
  await once(channel, "data");
  client.widen(channel, ENDLESS);
  await lapse(50); // it is said before it is meant
  client.socket.pause();
  let before = -1;
  await eventually(
    () => {
      const stands = produced === before;
      before = produced;
      return stands;
    },
    { everyMs: 300 },
  );
  assert.ok(produced < 64 * 1024 * 1024, `${produced} bytes were taken from the command`);
  await othersAreServed(lab);
});

test("a client that sends beyond its window is sent away", async () => {
  const local = localExec();
  await using lab = await sshLab(local);
  await using client = await hostileClient(lab);
  const channel = await client.exec("echo in; exec sleep 1000");
  await once(channel, "data");
  channel.outgoing.window = ENDLESS;
  // In pieces that do not fill the window exactly: the library itself stops at an exactly full one.
  for (let sent = 0; sent < 20_000_000; sent += 10_007) channel.write(Buffer.alloc(10_007));
  await eventually(() => client.socket.destroyed);
  await eventually(() => local.running === 0);
  await othersAreServed(lab);
});

test("a client may open only so many sessions that do nothing", async () => {
  await using lab = await sshLab(localExec());
  await using client = await hostileClient(lab);
  const opened = await Promise.all(Array.from({ length: 310 }, () => client.openSession()));
  assert.deepEqual(opened, [...Array(300).fill(true), ...Array(10).fill(false)]);
  await othersAreServed(lab);
});

test("a sliver may begin only so many connections to a client that never answers", async () => {
  let begin: Parameters<ListeningPort["onConnection"]>[0] | undefined;
  const over = Promise.withResolvers<void>();
  const listening: ListeningPort = {
    port: 9000,
    onConnection(take) {
      begin = take;
    },
    close: over.resolve,
    closed: over.promise,
  };
  await using lab = await sshLab({ ...localExec(), listen: async () => listening });
  await using client = await hostileClient(lab);
  await client.listen(9000);
  const sockets = Array.from({ length: 600 }, () => new PassThrough());
  for (const socket of sockets) begin!(socket, { address: "127.0.0.1", port: 1 });
  assert.equal(sockets.filter(({ destroyed }) => !destroyed).length, 499, "and the port itself");
  client.socket.destroy();
  await eventually(() => sockets.every(({ destroyed }) => destroyed));
});

test("a signature with SHA-1 does not let anybody in", async () => {
  await using lab = await sshLab(localExec());
  await lab.newKey("rsa", "-b", "2048");
  for (const [algorithm, code] of [
    ["rsa-sha2-256", 0],
    ["ssh-rsa", 255],
  ] as const) {
    const ended = await lab.ssh("-o", `PubkeyAcceptedAlgorithms=${algorithm}`, "oceanstore", "true");
    assert.equal(ended.code, code, algorithm);
  }
});
