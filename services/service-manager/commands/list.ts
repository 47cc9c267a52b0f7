import type { Command } from "commander";
import { formatPorts } from "#shared/model/ports.ts";
import { formatInstant } from "#shared/model/time.ts";
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
  await invocation.print(listing(slices.filter((slice) => slice !== undefined)));
  return EXIT.ok;
}

/** When the first of a slice's leases ends. */
function endOf({ leases }: SliceState): number | undefined {
  return leases.size === 0 ? undefined : Math.min(...[...leases.values()].map(({ lease }) => lease.term.end));
}

function ends(slice: SliceState): string {
  const end = endOf(slice);
  return end === undefined ? "" : formatInstant(end);
}

/** How many nodes a row tells the ports of: those of others are in `slice status`. */
const SHOWN = 3;

/** "tcp 8080" where every node has the same ports, else each node's own: "tcp 20001 → 10.0.0.2". */
function portsShown({ leases }: SliceState): string {
  const each = [...leases.values()].map(({ lease }) => {
    return { ip: lease.ip, ports: lease.ports.map(formatPorts).join(", ") };
  });
  const [first] = each;
  if (!first || each.every(({ ports }) => ports === first.ports)) return first?.ports ?? "";
  const shown = each.slice(0, SHOWN).map(({ ip, ports }) => `${ports || "none"} → ${ip}`);
  return [...shown, ...(each.length > SHOWN ? ["…"] : [])].join("; ");
}

function portsOf({ leases }: SliceState): object[] {
  return [...leases.values()].flatMap(({ lease: { node, ip, ports } }) =>
    ports.map(({ protocol, from, to }) => ({ node, ip, protocol, from, to })),
  );
}

function listing(rows: readonly SliceState[]): Listing<SliceState> {
  return {
    rows,
    columns: [
      { header: "SLICE", value: ({ record }) => record.name },
      { header: "PHASE", value: ({ record }) => record.phase },
      { header: "SLIVERS", value: ({ record, leases }) => `${leases.size}/${record.count}` },
      { header: "TICKETS", value: ({ tickets }) => String(tickets.size) },
      ...(rows.some((row) => portsOf(row).length > 0) ? [{ header: "PORTS", value: portsShown }] : []),
      { header: "FIRST ENDS (UTC)", value: ends },
      { header: "CREATED (UTC)", value: ({ record }) => formatInstant(record.createdAt), wide: true },
      { header: "DIRECTORY", value: ({ paths }) => paths.directory, wide: true },
    ],
    name: ({ record }) => record.name,
    member: (slice) => ({
      slice: slice.record.name,
      phase: slice.record.phase,
      slivers: slice.leases.size,
      wanted: slice.record.count,
      tickets: slice.tickets.size,
      ports: portsOf(slice),
      end_time: ends(slice) || null,
      created_time: formatInstant(slice.record.createdAt),
      directory: slice.paths.directory,
    }),
  };
}
