import type { Command } from "commander";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import type { ServiceTerminal } from "#shared/runtime/command-line.ts";
import type { Database } from "#shared/runtime/database.ts";
import { type Column, listingText, outputOption } from "#shared/runtime/listing.ts";
import { heldAndGranted } from "../store/holdings/held.ts";
import { allPrincipals } from "../store/registry/principals.ts";
import { allQuotas } from "../store/registry/quotas.ts";
import { allNodes, allPrivileges, allSites, type RegisteredNode } from "../store/registry/registry.ts";
import { type BooksOptions, onBooks, type WithBooks } from "./books.ts";

/** One `list` command: what it lists, and what of it in which column. */
type Listing<Row> = {
  readonly of: string;
  readonly rows: (database: Database) => Promise<Row[]>;
  readonly columns: readonly Column<Row>[];
};

/** Adds `list` to the commands for sites, principals, nodes and privileges. */
export function addListCommands(parent: Command, withBooks: WithBooks, terminal: ServiceTerminal): void {
  const add = <Row>(listing: Listing<Row>) => addList(parent, listing, withBooks, terminal);
  add({
    of: "site",
    rows: allSites,
    columns: [
      { header: "SITE", value: (site) => site.name },
      { header: "NODES", value: (site) => site.nodes },
      { header: "PRINCIPALS", value: (site) => site.principals },
    ],
  });
  add({
    of: "principal",
    rows: allPrincipals,
    columns: [
      { header: "NAME", value: (one) => one.label },
      { header: "ROLE", value: (one) => one.role },
      { header: "SITE", value: (one) => one.site },
      { header: "KEY", value: (one) => one.name.slice(0, 16) },
      { header: "STATUS", value: (one) => (one.suspended ? "suspended" : "active") },
    ],
  });
  add({
    of: "node",
    rows: allNodes,
    columns: [
      { header: "NAME", value: (node) => node.label },
      { header: "ADDRESS", value: (node) => node.ip },
      { header: "SITE", value: (node) => node.site },
      { header: "KEY", value: (node) => node.node.slice(0, 16) },
      { header: "STATUS", value: statusOf },
      { header: "OVERBOOKING", value: (node) => node.overbooking },
      { header: "HEARD", value: ({ heard }) => (heard === null ? "never" : formatInstant(heard)) },
    ],
  });
  add({
    of: "holding",
    rows: (database) => heldAndGranted(database, terminal.clock.now()),
    columns: [
      { header: "HOLDING", value: (one) => one.id.slice(0, 16) },
      { header: "KIND", value: (one) => one.kind },
      { header: "NODE", value: (one) => one.ip },
      { header: "WHOSE", value: (one) => one.party.slice(0, 24) },
      { header: "SLIVERS", value: (one) => one.slivers },
      { header: "MEMORY", value: (one) => `${one.memory_mib} MiB` },
      { header: "UNTIL", value: (one) => formatInstant(one.until) },
      { header: "STATE", value: (one) => one.state },
      { header: "BENEATH", value: (one) => one.beneath },
    ],
  });
  add({
    of: "privilege",
    rows: allPrivileges,
    columns: [
      { header: "ID", value: (one) => one.id },
      { header: "PRINCIPAL", value: (one) => one.label },
      { header: "TYPE", value: (one) => one.sliceType },
      { header: "NODES", value: (one) => one.maxNodes },
      { header: "LEASE", value: (one) => one.maxLeaseSeconds },
      { header: "RENEWABLE", value: (one) => one.maxRenewableSeconds },
      { header: "UNTIL", value: (one) => untilText(one.validTo) },
      { header: "CAPABILITIES", value: (one) => one.capabilities.join(" ") },
    ],
  });
  add({
    of: "quota",
    rows: allQuotas,
    columns: [
      { header: "OF", value: ({ principal, site }) => principal ?? `site ${site}` },
      { header: "SLICES", value: ({ limits }) => limits.slices ?? null },
      { header: "NODES", value: ({ limits }) => limits.nodes ?? null },
      { header: "LEASE", value: ({ limits }) => limits.leaseSeconds ?? null },
      { header: "SLIVERS", value: ({ limits }) => limits.slivers ?? null },
      { header: "CPU", value: ({ limits }) => limits.cpuMillis ?? null },
      { header: "MEMORY MiB", value: ({ limits }) => limits.memoryMib ?? null },
      { header: "DISK MiB", value: ({ limits }) => limits.diskMib ?? null },
      { header: "EGRESS", value: ({ limits }) => limits.egressKbps ?? null },
    ],
  });
}

function addList<Row>(
  parent: Command,
  listing: Listing<Row>,
  withBooks: WithBooks,
  { out }: ServiceTerminal,
): void {
  const group = parent.commands.find((command) => command.name() === listing.of)!;
  onBooks(group.command("list").description(`list every ${listing.of}`))
    .addOption(outputOption())
    .action((options: BooksOptions & { output: string }) =>
      withBooks(options, async ({ database }) => {
        out(listingText(options.output, await listing.rows(database), listing.columns));
      }),
    );
}

function statusOf({ retired, suspended, drained }: RegisteredNode): string {
  if (retired !== null) return "retired";
  if (suspended) return "suspended";
  return drained === null ? "active" : "drained";
}

function untilText(instant: Instant): string {
  return Number.isFinite(instant) ? formatInstant(instant) : "-";
}
