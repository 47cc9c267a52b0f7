import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Redis } from "ioredis";
import { eventually } from "./deadline.ts";
import { temporaryDirectory } from "./directory.ts";

/** Why no Redis can be started here; false when one can. */
export const withoutRedis: string | false =
  spawnSync("redis-server", ["--version"]).status !== 0 && "redis-server is not here";

/** A real Redis of one test's own, on a unix socket, keeping nothing on disk. */
export type TestRedis = AsyncDisposable & {
  /** Where it answers, now and after it was started again. */
  readonly url: string;
  flush(): Promise<void>;
  /** With -9: everything in it is lost. */
  kill(): Promise<void>;
  start(): Promise<void>;
};

export async function testRedis(): Promise<TestRedis> {
  const directory = await temporaryDirectory();
  const socket = join(directory.path, "redis.sock");
  let server: ChildProcess | undefined;

  async function command(name: string): Promise<unknown> {
    const client = new Redis(socket, { lazyConnect: true, retryStrategy: null });
    client.on("error", () => undefined); // the command itself says so
    try {
      await client.connect();
      return await client.call(name);
    } finally {
      client.disconnect();
    }
  }
  async function start(): Promise<void> {
    const args = ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"];
    const given = ["--pdeathsig", "KILL", "--", "redis-server", ...args, "--dir", directory.path];
    server = spawn("setpriv", given, { stdio: "ignore" });
    await eventually(async () => (await command("PING")) === "PONG", { what: "an answer of Redis" });
  }
  async function kill(): Promise<void> {
    const one = server;
    server = undefined;
    if (!one || one.exitCode !== null || one.signalCode !== null) return;
    one.kill("SIGKILL");
    await once(one, "exit");
  }
  await start();
  return {
    url: socket,
    flush: async () => void (await command("FLUSHALL")),
    kill,
    start,
    async [Symbol.asyncDispose]() {
      await kill();
      await directory[Symbol.asyncDispose]();
    },
  };
}
