import type { Command } from "commander";
import type { Lease } from "#shared/model/lease.ts";
import { formatPorts } from "#shared/model/ports.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import type { SliceState } from "../journal/slice-state.ts";
import { EXIT, type ExitCode } from "../terminal/exit-code.ts";
import type { Listing } from "../terminal/output.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";

export function addList(parent: Command, tools: Tools): void {
  withCommonOptions(parent.command("list"))
    .summary("list your slices")
    .description("Lists the slices kept here. Asks nobody: see `slice status` for how their nodes are.")
    .action(async (options: CommonOptions) => {
      await invoke(tools, options, list);
    });
}

async function list(invocation: Invocation): Promise<ExitCode> {
  const { readSlice, sliceNames } = await import("../journal/slice-state.ts");
  const names = await sliceNames(invocation.home);
  const slices = await Promise.all(names.map((name) => readSlice(invocation.home, name)));
  const present = slices.filter((slice) => slice !== undefined);
  await invocation.print(listing(present, invocation.now));
  const over = present.filter(
    (slice) => endedAt(slice, invocation.now) === slice.leases.size && slice.leases.size > 0,
  );
  for (const { record } of over)
    invocation.say(
      `every lease of ${record.name} has ended: slice create ${record.name} makes its slivers anew, slice delete forgets it`,
    );
  return EXIT.ok;
}

/** How many leases are over by our clock: their slivers are gone, whatever the journal still keeps of them. */
function endedAt({ leases }: SliceState, now: Instant): number {
  return [...leases.values()].filter(({ lease }) => lease.term.end <= now).length;
}

function living({ leases }: SliceState, now: Instant): Lease[] {
  return [...leases.values()].map(({ lease }) => lease).filter(({ term }) => term.end > now);
}

/** When the first of the leases that live ends; where none does any more, when the last did. */
function ends(slice: SliceState, now: Instant): string {
  const alive = living(slice, now).map(({ term }) => term.end);
  const all = [...slice.leases.values()].map(({ lease }) => lease.term.end);
  if (all.length === 0) return "";
  return formatInstant(alive.length > 0 ? Math.min(...alive) : Math.max(...all));
}

/** "2/3", and "0/3, 3 ended" where leases were not renewed in time. */
function slivers(slice: SliceState, now: Instant): string {
  const ended = endedAt(slice, now);
  const alive = `${slice.leases.size - ended}/${slice.record.count}`;
  return ended === 0 ? alive : `${alive}, ${ended} ended`;
}

/** How many nodes a row tells the ports of: those of others are in `slice status`. */
const SHOWN = 3;

/** "tcp 8080" where every node has the same ports, else each node's own: "tcp 20001 → 10.0.0.2". */
function portsShown(slice: SliceState, now: Instant): string {
  const each = living(slice, now).map((lease) => {
    return { ip: lease.ip, ports: lease.ports.map(formatPorts).join(", ") };
  });
  const [first] = each;
  if (!first || each.every(({ ports }) => ports === first.ports)) return first?.ports ?? "";
  const shown = each.slice(0, SHOWN).map(({ ip, ports }) => `${ports || "none"} → ${ip}`);
  return [...shown, ...(each.length > SHOWN ? ["…"] : [])].join("; ");
}

function portsOf(slice: SliceState, now: Instant): object[] {
  return living(slice, now).flatMap(({ node, ip, ports }) =>
    ports.map(({ protocol, from, to }) => ({ node, ip, protocol, from, to })),
  );
}

function listing(rows: readonly SliceState[], now: Instant): Listing<SliceState> {
  return {
    rows,
    columns: [
      { header: "SLICE", value: ({ record }) => record.name },
      { header: "PHASE", value: ({ record }) => record.phase },
      { header: "SLIVERS", value: (slice) => slivers(slice, now) },
      { header: "TICKETS", value: ({ tickets }) => String(tickets.size) },
      ...(rows.some((row) => portsOf(row, now).length > 0)
        ? [{ header: "PORTS", value: (slice: SliceState) => portsShown(slice, now) }]
        : []),
      { header: "FIRST ENDS (UTC)", value: (slice) => ends(slice, now) },
      { header: "CREATED (UTC)", value: ({ record }) => formatInstant(record.createdAt), wide: true },
      { header: "DIRECTORY", value: ({ paths }) => paths.directory, wide: true },
    ],
    name: ({ record }) => record.name,
    member: (slice) => ({
      slice: slice.record.name,
      phase: slice.record.phase,
      slivers: living(slice, now).length,
      ended: endedAt(slice, now),
      wanted: slice.record.count,
      tickets: slice.tickets.size,
      ports: portsOf(slice, now),
      end_time: ends(slice, now) || null,
      created_time: formatInstant(slice.record.createdAt),
      directory: slice.paths.directory,
    }),
  };
}
