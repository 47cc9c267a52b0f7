/**
 * XML-RPC: our codec, server and client beside Python's and npm's, each with its own client and its own server in a
 * process of its own, over mutual TLS on one kept-alive connection. All in one run, by turns; prints medians and, of the
 * ratios, least and most.
 */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import xmlrpc from "xmlrpc";
import Deserializer from "xmlrpc/lib/deserializer.js";
import Serializer from "xmlrpc/lib/serializer.js";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { decodeResponse } from "#shared/wire/xmlrpc/decode.ts";
import { encodeResponse } from "#shared/wire/xmlrpc/encode.ts";
import { testAuthority, writeIdentity } from "#test/support/authority.ts";
import { ADS, benchApi } from "./xmlrpc-server.ts";

const ROUNDS = 9;
/** How often each operation is done in a round. */
const TIMES = { echo: 300, getads: 8, build: 8, parse: 8 } as const;
type Operation = keyof typeof TIMES;
const OPERATIONS = Object.keys(TIMES) as Operation[];

/** Does an operation so many times, one after the other, and says how many seconds one took. */
type Contender = (operation: Operation, times: number) => Promise<number>;

await using owned = new AsyncDisposableStack();
const home = await mkdtemp(join(tmpdir(), "slicelab-bench-"));
owned.defer(() => rm(home, { recursive: true, force: true }));
const authority = await testAuthority();
const [server, alice] = await Promise.all([authority.server("bench"), authority.client("alice")]);
const [serverFiles, clientFiles] = await Promise.all([
  writeIdentity(home, "server", server.tls),
  writeIdentity(home, "client", alice.tls),
]);

const [ourUrl, ourFreshUrl, npmUrl] = await Promise.all(["cached", "fresh", "npm"].map(served));
const contenders: Record<string, Contender> = {
  "ours, unchanged reply": ours(ourUrl!),
  "ours, built afresh": ours(ourFreshUrl!),
  Python: await python(),
  "npm xmlrpc": npm(npmUrl!),
};

const seconds = new Map<string, number[]>();
for (let round = 0; round <= ROUNDS; round++) {
  for (const operation of OPERATIONS) {
    for (const [name, contender] of Object.entries(contenders)) {
      const one = await contender(operation, TIMES[operation]);
      if (round > 0)
        seconds.set(`${operation} ${name}`, [...(seconds.get(`${operation} ${name}`) ?? []), one]);
    }
  }
}

for (const operation of OPERATIONS) {
  const what = operation === "echo" ? operation : `${operation} of ${ADS.length} ads`;
  console.log(`\n${what}`);
  for (const name of Object.keys(contenders)) {
    const own = seconds.get(`${operation} ${name}`)!;
    const reference = seconds.get(`${operation} Python`)!;
    const ratios = own.map((value, round) => value / reference[round]!).sort((a, b) => a - b);
    const [least, most] = [ratios[0]!, ratios.at(-1)!].map((ratio) => ratio.toFixed(2));
    const ms = (median(own) * 1000).toFixed(3).padStart(9);
    console.log(
      `  ${name.padEnd(22)} ${ms} ms   ${median(ratios).toFixed(2)} of Python's (${least}–${most})`,
    );
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function timed(times: number, work: () => unknown): Promise<number> {
  const begun = performance.now();
  for (let i = 0; i < times; i++) await work();
  return (performance.now() - begun) / 1000 / times;
}

/** Starts one of our two kinds of server, or npm's, and says where it is. */
async function served(kind: string): Promise<string> {
  const child = fork(join(import.meta.dirname, "xmlrpc-server.ts"), [kind, ...Object.values(serverFiles)]);
  owned.defer(() => ended(child));
  const [port] = await once(child, "message");
  return `https://127.0.0.1:${port}/RPC2`;
}

async function ended(child: ChildProcess): Promise<void> {
  child.kill();
  await once(child, "exit");
}

function ours(url: string): Contender {
  const client = xmlRpcClient(benchApi, {
    url,
    connections: owned.use(new Connections(clientTlsOptions(alice.tls))),
  });
  const body = encodeResponse(ADS);
  const work = {
    echo: () => client.echo({ value: "hello" }),
    getads: () => client.getads(),
    build: () => encodeResponse(ADS),
    parse: () => decodeResponse(body),
  };
  return (operation, times) => timed(times, work[operation]);
}

function npm(url: string): Contender {
  const agent = new Agent({ keepAlive: true });
  owned.defer(() => agent.destroy());
  const client = xmlrpc.createSecureClient({ url, ...alice.tls, agent } as Parameters<
    typeof xmlrpc.createSecureClient
  >[0]);
  const call = (method: string, params: unknown[]) =>
    new Promise((resolve, reject) => {
      client.methodCall(method, params, (error: unknown, value) => (error ? reject(error) : resolve(value)));
    });
  const body = Serializer.serializeMethodResponse(ADS);
  const work = {
    echo: () => call("echo", [{ value: "hello" }]),
    getads: () => call("getads", []),
    build: () => Serializer.serializeMethodResponse(ADS),
    parse: () =>
      new Promise((resolve, reject) => {
        const done = (error: unknown, value: unknown) => (error ? reject(error) : resolve(value));
        new Deserializer().deserializeMethodResponse(Readable.from([Buffer.from(body)]), done);
      }),
  };
  return (operation, times) => timed(times, work[operation]);
}

async function python(): Promise<Contender> {
  const script = join(import.meta.dirname, "python_xmlrpc.py");
  const start = (...args: string[]) => {
    const child = spawn("python3", [script, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    owned.defer(() => ended(child));
    child.stdin.write(`${JSON.stringify(ADS)}\n`);
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    return { child, line: async () => (await lines.next()).value as string };
  };
  const port = await start("serve", ...Object.values(serverFiles)).line();
  const caller = start("call", `https://127.0.0.1:${port}/RPC2`, ...Object.values(clientFiles));
  await caller.line();
  return async (operation, times) => {
    caller.child.stdin.write(`${operation} ${times}\n`);
    return Number(await caller.line());
  };
}
