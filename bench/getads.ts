import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { systemClock } from "#shared/runtime/clock.ts";
import { MAX_ADS } from "#shared/wire/agent-api.ts";
import { fleetConditions } from "#test/services/agent/monitors/fleet-conditions.ts";
import { benchAgent } from "./agent-lab.ts";
import { median, ratioOf, timed } from "./timing.ts";

/**
 * getads of 1,000 and of 10,000 nodes over mutual TLS, read out of the database at every call, parsed by the client; beside
 * Python's XML-RPC giving and parsing the very same advertisements out of its memory, in the same run, by turns. Both are
 * asked for a thousand at a time. Prints medians and, of the ratios, least and most.
 */
const NODES = 10_000;
const ROUNDS: Readonly<Record<number, number>> = { 1000: 25, 10000: 7 };

await using owned = new AsyncDisposableStack();
const { client, database, fleet, files } = owned.use(await benchAgent(NODES));
await tellOfAll();

/** As if every node were monitored and had a history. */
async function tellOfAll(): Promise<void> {
  const conditions = fleetConditions(database, fleet);
  const now = systemClock().now();
  const later = now + 600; // fresh for as long as this runs
  const tellings = [0, 1, 2, 3].map((turn) => () => conditions.tell(later + turn));
  await conditions.sample(now);
  const samples = [1, 2, 3, 4].map((turn) => () => conditions.sample(now + 60 * turn));
  for (const [what, works] of Object.entries({ conditions: tellings, "samples of liveness": samples })) {
    const ms: number[] = [];
    for (const work of works) ms.push(await timed(work));
    const [first, ...again] = ms;
    console.log(
      `${NODES} ${what}, one statement: ${first!.toFixed(0)} ms new, ${median(again).toFixed(0)} ms again`,
    );
  }
}

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
  const port = await start("serve", ...Object.values(files.server)).line();
  const caller = start("call", `https://127.0.0.1:${port}/RPC2`, ...Object.values(files.client));
  await caller.line();
  return async (times) => {
    caller.process.stdin.write(`getads ${times}\n`);
    return 1000 * Number(await caller.line());
  };
}
