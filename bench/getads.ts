import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { openAgentDatabase } from "#services/agent/service.ts";
import { openTicketKeys } from "#services/agent/ticket-keys.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import { agentApi, MAX_ADS } from "#shared/wire/agent-api.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { enrolFleet } from "#test/services/agent/fleet.ts";
import { testAuthority, writeIdentity } from "#test/support/authority.ts";
import { startPostgres } from "#testbed/postgres.ts";
import { median, ratioOf, timed } from "./timing.ts";

/**
 * getads of 1,000 and of 10,000 nodes over mutual TLS, read out of the database at every call, parsed by the client; beside
 * Python's XML-RPC giving and parsing the very same advertisements out of its memory, in the same run, by turns. Both are
 * asked for a thousand at a time. Prints medians and, of the ratios, least and most.
 */
const NODES = 10_000;
const ROUNDS: Readonly<Record<number, number>> = { 1000: 25, 10000: 7 };

await using owned = new AsyncDisposableStack();
const home = await mkdtemp(join(tmpdir(), "slicelab-bench-"));
owned.defer(() => rm(home, { recursive: true, force: true }));
const postgres = owned.use(await startPostgres(join(home, "postgres")));
const url = await postgres.createDatabase("slicelab");
const authority = await testAuthority();
const [server, alice] = await Promise.all([authority.server("agent"), authority.client("alice")]);
const [serverFiles, clientFiles] = await Promise.all([
  writeIdentity(home, "agent", server.tls),
  writeIdentity(home, "alice", alice.tls),
]);
const ticketKey = join(home, "ticket.key");
const config = join(home, "agent.toml");
await writeFile(
  config,
  `database = "${url}"
ticket_key = "${ticketKey}"
[identity]
key = "${serverFiles.key}"
certificate = "${serverFiles.cert}"
authority = "${serverFiles.ca}"
[listen]
tls_port = 0
web_port = 0
`,
);
const child = fork(new URL("agent-process.ts", import.meta.url), [config], {
  stdio: ["ignore", "ignore", "inherit", "ipc"],
});
const [{ tls }] = (await once(child, "message")) as [{ tls: string }];
owned.defer(async () => {
  child.send("stop");
  await once(child, "exit");
});
const database = owned.use(openAgentDatabase(url));
await enrolFleet(database, await openTicketKeys(ticketKey), systemClock(), { nodes: NODES });
await database.run("vacuum analyze");

const connections = owned.use(new Connections(clientTlsOptions(alice.tls)));
const client = xmlRpcClient(agentApi, { url: tls, connections, expectedPeer: server.name });

async function getads(count: number): Promise<object[]> {
  const ads: { node: string }[] = [];
  while (ads.length < count) {
    const page = await client.getads({ after: ads.at(-1)?.node, limit: MAX_ADS });
    ads.push(...(page as { node: string }[]));
  }
  return ads;
}

const python = await startPython(await getads(MAX_ADS));
console.log("| ads | getads ms | Python ms | ratio (least–most) | target |");
console.log("|---|---|---|---|---|");
for (const [count, rounds] of Object.entries(ROUNDS)) {
  const [ours, theirs]: [number[], number[]] = [[], []];
  const pages = Number(count) / MAX_ADS;
  for (let round = -1; round < rounds; round++) {
    const own = await timed(() => getads(Number(count)));
    const other = pages * (await python(pages));
    if (round < 0) continue; // the first warms both
    ours.push(own);
    theirs.push(other);
  }
  const [own, other] = [median(ours).toFixed(1), median(theirs).toFixed(1)];
  console.log(`| ${count} | ${own} | ${other} | ${ratioOf(ours, theirs)} | ≤ 0.17 |`);
}

/** Python's server and client of these ads: milliseconds that one call takes, of so many. */
async function startPython(ads: readonly object[]): Promise<(times: number) => Promise<number>> {
  const script = join(import.meta.dirname, "python_xmlrpc.py");
  const start = (...args: string[]) => {
    const process = spawn("python3", [script, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    owned.defer(async () => {
      process.kill();
      await once(process, "exit");
    });
    process.stdin.write(`${JSON.stringify(ads)}\n`);
    const lines = createInterface(process.stdout)[Symbol.asyncIterator]();
    return { process, line: async () => (await lines.next()).value as string };
  };
  const port = await start("serve", ...Object.values(serverFiles)).line();
  const caller = start("call", `https://127.0.0.1:${port}/RPC2`, ...Object.values(clientFiles));
  await caller.line();
  return async (times) => {
    caller.process.stdin.write(`getads ${times}\n`);
    return 1000 * Number(await caller.line());
  };
}
