import pg from "pg";
import { inBatches, sealAll } from "#services/agent/signing/seal.ts";
import { lineageOf, parseDocument } from "#shared/wire/document.ts";
import { decodeResponse } from "#shared/wire/xmlrpc/decode.ts";
import { encodeResponse } from "#shared/wire/xmlrpc/encode.ts";
import { benchAgent } from "./agent-lab.ts";
import { median, ratioOf, timed } from "./timing.ts";

/**
 * newtickets over mutual TLS against an agent in a process of its own, beside what it cannot do without, in the same
 * run, by turns: see "Targets" below. Prints medians and, of the ratios, least and most.
 */
const NODES = 1000;
const TARGETS: Readonly<Record<number, number>> = { 1: 1.5, 100: 1.5, 1000: 1.3 };
const ROUNDS: Readonly<Record<number, number>> = { 1: 200, 100: 25, 1000: 15 };
const CLIENTS = 20;
const MANY = { slivers: 100_000, memoryMib: 100_000_000, diskMib: 100_000_000 };

await using owned = new AsyncDisposableStack();
const lab = owned.use(await benchAgent(NODES, { share: MANY }));
const { client, databaseUrl: url, ticketKeys: keys } = lab;
const bare = new pg.Client({ connectionString: url });
await bare.connect();
owned.defer(() => bare.end());
await bare.query(
  "create table bare (id text primary key, slice text, principal text, node text, start timestamptz, until timestamptz, body text)",
);

let slices = 0;
const newtickets = (count: number, by = client) =>
  by.newtickets({ slice: `s${slices++}`, ntickets: count, leaselen: 86_400, ips: "0.0.0.0" });

/** What nobody can leave out: a call, the signatures, one durable insert, building and parsing the answer. */
async function reference(count: number, tickets: readonly string[]): Promise<number> {
  const documents = tickets.map((text) => parseDocument(text));
  const unsealed = documents.map((d) => ({
    body: d.body,
    principal: keys.current.public.name,
    lineage: d.parents.flatMap(lineageOf),
  }));
  const ids = documents.map((d) => d.id);
  const bodies = documents.map((d) => d.body.toString());
  const insert = {
    name: "bare",
    text: `insert into bare select i, 's', 'p', 'n', now(), now(), b from unnest($1::text[], $2::text[]) as t (i, b)`,
    values: [ids, bodies],
  };
  const encoded = encodeResponse(tickets);
  const call = await timed(() => client.getconfig());
  const sign = await timed(() => sealAll(keys, unsealed));
  const durable = await timed(() => bare.query(insert));
  if (count === 1) return call + sign + durable;
  const build = await timed(() => encodeResponse(tickets));
  const parse = await timed(() => decodeResponse(encoded));
  return sign + durable + build + parse;
}

console.log(
  "| nodes | newtickets ms | reference ms | ratio (least–most) | target | event loop held at most ms |",
);
console.log("|---|---|---|---|---|---|");
for (const count of [1, 100, 1000]) {
  for (let warm = 0; warm < 5; warm++) await reference(count, await newtickets(count));
  await lab.held();
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS[count]!; round++) {
    let tickets: string[] = [];
    ours.push(await timed(async () => (tickets = await newtickets(count))));
    theirs.push(await reference(count, tickets));
  }
  const { max } = await lab.held();
  console.log(
    `| ${count} | ${median(ours).toFixed(2)} | ${median(theirs).toFixed(2)} | ${ratioOf(ours, theirs)} | ≤ ${TARGETS[count]} | ${max.toFixed(1)} |`,
  );
}

/** Requests a second of so many clients, each one at a time. */
async function rate(
  clients: number,
  seconds: number,
  work: (at: number) => Promise<unknown>,
): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let done = 0;
  await Promise.all(
    Array.from({ length: clients }, async (_, at) => {
      while (performance.now() < end) {
        await work(at);
        done++;
      }
    }),
  );
  return done / seconds;
}
const clients = Array.from({ length: CLIENTS }, () => lab.connect());
const inserters = await inBatches(clients, async () => {
  const one = new pg.Client({ connectionString: url });
  await one.connect();
  owned.defer(() => one.end());
  return one;
});
let rows = 0;
const insertOne = (at: number) =>
  inserters[at]!.query({
    name: "one",
    text: "insert into bare (id, body) values ($1, $2)",
    values: [`row ${rows++}`, "x".repeat(1200)],
  });
const rounds: { ours: number; theirs: number }[] = [];
for (let round = 0; round < 4; round++) {
  const ours = await rate(CLIENTS, 2, (at) => newtickets(1, clients[at]));
  rounds.push({ ours, theirs: await rate(CLIENTS, 2, insertOne) });
}
const measured = rounds.slice(1);
const perSecond = [median(measured.map((r) => r.ours)), median(measured.map((r) => r.theirs))] as const;
const shares = measured.map((r) => r.ours / r.theirs);
console.log(`
${CLIENTS} clients, one node each: ${perSecond[0].toFixed(0)}/s against ${perSecond[1].toFixed(0)}/s single durable inserts: ${(perSecond[0] / perSecond[1]).toFixed(2)} (${Math.min(...shares).toFixed(2)}–${Math.max(...shares).toFixed(2)}), target ≥ 0.25`);
