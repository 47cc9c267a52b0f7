import { execFile } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { containerBackend } from "#services/node-manager/backends/container/engine.ts";
import { ensureImage } from "#services/node-manager/backends/images/images.ts";
import { IMAGES_DIRECTORY } from "#services/node-manager/backends/open.ts";
import { someNode } from "#test/contract/backend.ts";
import { type NodeLab, nodeLab } from "#test/services/node-manager/lab/node-lab.ts";
import type { SliceTicketOverrides } from "#test/support/documents.ts";
import { bareSteps, docker, isInstalled, lxc, type Peer, podman } from "./container-peers.ts";
import { median, ratioOf, timed } from "./timing.ts";

/**
 * newlease and deletelease over mutual TLS, of slivers with network, beside the bare steps by hand and beside what
 * else starts containers here, all over the same image, by turns in one run. Prints medians and, of the ratios, least
 * and most of a turn.
 */
const ROUNDS = Number(process.argv[2] ?? 20);
/** Rounds before those that count. */
const WARM = 3;
const RESOURCES = { cpuMillis: 100, memoryMib: 128, diskMib: 256, egressKbps: 1000 };
const now = () => 1_900_000_000;

await using owned = new AsyncDisposableStack();
const directory = await mkdtemp(join(tmpdir(), "slicelab-bench-"));
owned.defer(async () => {
  await promisify(execFile)("rm", ["-rf", "--one-file-system", directory]);
});

const image = await ensureImage({ imagesDirectory: IMAGES_DIRECTORY, name: "debian-12", now });
const engine = await containerBackend({
  ...{ node: someNode(), stateDirectory: join(directory, "state"), imagesDirectory: IMAGES_DIRECTORY, now },
});
const patient = { answerMs: 60_000, ensureMs: 60_000, engineMs: 60_000 };
const lab = owned.use(await nodeLab({ engines: [engine], deadlines: patient }));
const simulated = owned.use(await nodeLab({ deadlines: patient }));

/** A node manager whose slivers' tickets are at hand, as they would be with somebody who asks for a lease. */
async function node(
  name: string,
  { alice, ticket }: NodeLab,
  overrides: SliceTicketOverrides,
): Promise<Peer> {
  const tickets = await Promise.all(
    Array.from({ length: ROUNDS + WARM }, (_, at) => ticket({ ...overrides, slice: `bench${at}` })),
  );
  // Somebody else is there already, as on most nodes: what all slivers of a node share is not made for each.
  const resident = await ticket({ ...overrides, slice: "resident" });
  await alice.newlease({ ticketdata: resident.text });
  return {
    name,
    start: (number) => alice.newlease({ ticketdata: tickets[number]!.text }),
    end: (number) => alice.deletelease({ slice: `bench${number}` }),
    async [Symbol.asyncDispose]() {
      await alice.deletelease({ slice: "resident" });
    },
  };
}

const needs = { directory, image: image.root };
const others = { "lxc-start": lxc, podman, dockerd: docker };
const peers = [
  owned.use(await node("newlease, container engine", lab, { resources: RESOURCES })),
  await bareSteps(needs),
  owned.use(await node("newlease, simulated engine", simulated, { resources: RESOURCES })),
];
for (const [program, open] of Object.entries(others)) {
  if (isInstalled(program)) peers.push(owned.use(await open(needs)));
  else console.log(`${program} is not installed: not compared with`);
}

const [starts, ends] = [peers.map((): number[] => []), peers.map((): number[] => [])];
for (let round = 0; round < ROUNDS + WARM; round++) {
  for (const [at, peer] of peers.entries()) {
    const start = await timed(() => peer.start(round));
    const end = await timed(() => peer.end(round));
    if (round < WARM) continue;
    starts[at]!.push(start);
    ends[at]!.push(end);
  }
}

console.log(`medians of ${ROUNDS} rounds; ours over theirs, with the least and most of a round\n`);
console.log("| | start ms | newlease over it | end ms | deletelease over it |");
console.log("|---|---|---|---|---|");
for (const [at, { name }] of peers.entries()) {
  const [start, end] = [starts[at]!, ends[at]!];
  const [over, overEnd] = [ratioOf(starts[0]!, start), ratioOf(ends[0]!, end)];
  console.log(`| ${name} | ${median(start).toFixed(1)} | ${over} | ${median(end).toFixed(1)} | ${overEnd} |`);
}
