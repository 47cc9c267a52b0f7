import type { Command } from "commander";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import type { ServiceTerminal } from "#shared/runtime/command-line.ts";
import type { Database } from "#shared/runtime/database.ts";
import { heldAndGranted } from "../store/held.ts";
import { allPrincipals } from "../store/principals.ts";
import { allQuotas } from "../store/quotas.ts";
import { allNodes, allPrivileges, allSites, type RegisteredNode } from "../store/registry.ts";
import { type BooksOptions, onBooks, type WithBooks } from "./books.ts";
import { addOutput, type Cell, listingText } from "./listing.ts";

/** One `list` command: what it lists, and how each thing stands in a line of a table. */
type Listing<Row> = {
  readonly of: string;
  readonly rows: (database: Database) => Promise<Row[]>;
  readonly columns: readonly string[];
  readonly cells: (row: Row) => readonly Cell[];
};

/** Adds `list` to the commands for sites, principals, nodes and privileges. */
export function addListCommands(parent: Command, withBooks: WithBooks, terminal: ServiceTerminal): void {
  const add = <Row>(listing: Listing<Row>) => addList(parent, listing, withBooks, terminal);
  add({
    of: "site",
    rows: allSites,
    columns: ["SITE", "NODES", "PRINCIPALS"],
    cells: (site) => [site.name, site.nodes, site.principals],
  });
  add({
    of: "principal",
    rows: allPrincipals,
    columns: ["NAME", "ROLE", "SITE", "KEY", "STATUS"],
    cells: (one) => [
      one.label,
      one.role,
      one.site,
      one.name.slice(0, 16),
      one.suspended ? "suspended" : "active",
    ],
  });
  add({
    of: "node",
    rows: allNodes,
    columns: ["NAME", "ADDRESS", "SITE", "KEY", "STATUS", "OVERBOOKING", "HEARD"],
    cells: (node) => [
      node.label,
      node.ip,
      node.site,
      node.node.slice(0, 16),
      statusOf(node),
      node.overbooking,
      node.heard === null ? "never" : formatInstant(node.heard),
    ],
  });
  add({
    of: "holding",
    rows: (database) => heldAndGranted(database, terminal.clock.now()),
    columns: ["HOLDING", "KIND", "NODE", "WHOSE", "SLIVERS", "MEMORY", "UNTIL", "STATE", "BENEATH"],
    cells: (one) => [
      one.id.slice(0, 16),
      one.kind,
      one.ip,
      one.party.slice(0, 24),
      one.slivers,
      `${one.memory_mib} MiB`,
      formatInstant(one.until),
      one.state,
      one.beneath,
    ],
  });
  add({
    of: "privilege",
    rows: allPrivileges,
    columns: ["ID", "PRINCIPAL", "TYPE", "NODES", "LEASE", "RENEWABLE", "UNTIL", "CAPABILITIES"],
    cells: (one) => [
      one.id,
      one.label,
      one.sliceType,
      one.maxNodes,
      one.maxLeaseSeconds,
      one.maxRenewableSeconds,
      untilText(one.validTo),
      one.capabilities.join(" "),
    ],
  });
  add({
    of: "quota",
    rows: allQuotas,
    columns: ["OF", "SLICES", "NODES", "LEASE", "SLIVERS", "CPU", "MEMORY MiB", "DISK MiB", "EGRESS"],
    cells: ({ principal, site, limits }) => [
      principal ?? `site ${site}`,
      ...[limits.slices, limits.nodes, limits.leaseSeconds, limits.slivers, limits.cpuMillis].map(cellOf),
      ...[limits.memoryMib, limits.diskMib, limits.egressKbps].map(cellOf),
    ],
  });
}

function cellOf(amount: number | undefined): Cell {
  return amount ?? null;
}

function addList<Row>(
  parent: Command,
  listing: Listing<Row>,
  withBooks: WithBooks,
  { out }: ServiceTerminal,
): void {
  const group = parent.commands.find((command) => command.name() === listing.of)!;
  addOutput(onBooks(group.command("list").description(`list every ${listing.of}`))).action(
    (options: BooksOptions & { output: string }) =>
      withBooks(options, async ({ database }) => {
        const rows = await listing.rows(database);
        out(listingText(options.output, rows, listing.columns, listing.cells));
      }),
  );
}

function statusOf({ retired, suspended, drained }: RegisteredNode): string {
  if (retired !== null) return "retired";
  if (suspended) return "suspended";
  return drained === null ? "active" : "drained";
}

function untilText(instant: Instant): string {
  return Number.isFinite(instant) ? formatInstant(instant) : "withdrawn";
}
