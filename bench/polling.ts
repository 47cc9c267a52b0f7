import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { systemClock } from "#shared/runtime/clock.ts";
import { dumpText } from "#shared/wire/ganglia/dump-writer.ts";
import type { DumpHost } from "#shared/wire/ganglia/host.ts";
import { type BenchAgent, benchAgent } from "./agent-lab.ts";
import { timed } from "./timing.ts";

/**
 * How calls to an agent are answered while it reads the dump of a monitor that tells of 10,000 nodes, over and over, and
 * while it reads none. Four callers ask for ten advertisements each, one call after the other.
 */
const NODES = 10_000;
const METRICS = 35;
const CALLERS = 4;
const SECONDS = 20;

const quiet = await measured(await benchAgent(NODES));
await using owned = new AsyncDisposableStack();
const home = await mkdtemp(join(tmpdir(), "slicelab-bench-"));
owned.defer(() => rm(home, { recursive: true, force: true }));
const file = join(home, "dump.xml");
await pipeline(Readable.from(dumpText(FRAME(), hosts())), createWriteStream(file));
const feed = fork(new URL("dump-process.ts", import.meta.url), [file]);
owned.defer(() => void feed.kill());
const [port] = (await once(feed, "message")) as [number];
const polling = `poll_seconds = 5\nmonitors = [{ host = "127.0.0.1", port = ${port} }]`;
const busy = await measured(await benchAgent(NODES, { settings: polling }), feed);

const { size } = await stat(file);
console.log(`the dump: ${(size / 2 ** 20).toFixed(0)} MiB, ${NODES} hosts of ${METRICS} metrics\n`);
console.log("| | calls/s | median ms | p99 ms | longest ms | loop held p99 ms | at most ms |");
console.log("|---|---|---|---|---|---|---|");
for (const [what, one] of Object.entries({ "no monitor": quiet, "reading dumps": busy })) {
  const cells = [one.rate, one.median, one.p99, one.most, one.held.p99, one.held.max];
  console.log(`| ${what} | ${cells.map((number) => number.toFixed(1)).join(" | ")} |`);
}
console.log(`\nread ${busy.polls} whole dumps in ${SECONDS} s`);

async function measured(agent: BenchAgent, feed?: ChildProcess) {
  await using _agent = agent;
  for (let warm = 0; warm < 50; warm++) await agent.client.getads({ limit: 10 });
  if (feed) await once(feed, "message");
  await agent.held();
  let polls = 0;
  const counted = () => void polls++;
  feed?.on("message", counted);
  const end = performance.now() + SECONDS * 1000;
  const calls: number[] = [];
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      while (performance.now() < end) calls.push(await timed(() => agent.client.getads({ limit: 10 })));
    }),
  );
  feed?.off("message", counted);
  calls.sort((a, b) => a - b);
  const at = (part: number) => calls[Math.floor(part * (calls.length - 1))]!;
  const held = await agent.held();
  return { rate: calls.length / SECONDS, median: at(0.5), p99: at(0.99), most: at(1), held, polls };
}

function FRAME() {
  const localtime = systemClock().now();
  return { version: "3.7.2", cluster: "bench", owner: "", latlong: "", url: "", localtime };
}

/** As the fleet's addresses are, with as many metrics each as a gmond tells. */
function* hosts(): Generator<DumpHost> {
  const meaning = { type: "float", units: " ", slope: "both", tmax: 70, dmax: 0 } as const;
  const extra = [
    ["GROUP", "load"],
    ["DESC", "what a gmond says of one of its metrics"],
    ["TITLE", "A metric of a gmond's"],
  ] as const;
  const names = ["load_one", "cpu_num", ...Array.from({ length: METRICS - 2 }, (_, at) => `metric_${at}`)];
  for (let at = 0; at < NODES; at++) {
    const ip = `10.${78 + Math.floor(at / 62_500)}.${Math.floor(at / 250) % 250}.${(at % 250) + 1}`;
    yield {
      ...{ name: `node-${at}.example.org`, ip, location: "unspecified", tags: "", reported: 0, tn: 5 },
      ...{ tmax: 20, dmax: 0, started: 1_700_000_000 },
      metrics: names.map((name) => ({ ...meaning, name, value: "1.25", tn: 5, extra })),
    };
  }
}
