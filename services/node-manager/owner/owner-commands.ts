import type { Command } from "commander";
import { commandOf, runCommandLine, type ServiceTerminal } from "#shared/runtime/command-line.ts";
import { listingText } from "#shared/runtime/listing.ts";
import { loadNodeManagerConfig } from "../config.ts";
import type { OwnedLease } from "./owner-api.ts";
import { addAudit } from "./owner-audit.ts";
import { asOwner } from "./owner-desk.ts";
import { type AtNode, type OwnerOptions, ownerSubcommand, withOutput } from "./owner-options.ts";
import { addWho } from "./owner-who.ts";

const AFTER = `
These work on the node itself, as root, and ask no agent: through the node manager's socket while it serves, on its store
while it does not. --config is the node manager's own configuration.

  slicelab node leases                                what is leased here, to whom, and how it is
  slicelab node suspend princeton_dns --reason "…"    stop its sliver, keep its disk and its lease
  slicelab node resume princeton_dns                  let it run again
  slicelab node kill princeton_dns                    end its lease and destroy its sliver
  slicelab node who tcp 40312 "2030-01-31 12:00:00"    which slice sent what somebody complains of
  slicelab node ban princeton_dns --kill              and never again: by a slice's name or a principal's key

Exit codes: 0 ok, 1 error, 2 usage.`;

type Acting = OwnerOptions & { readonly reason?: string };
type Listed = OwnerOptions & { readonly output: string };

/** Runs one `slicelab node` command and gives its exit code: 0 ok, 1 error, 2 usage. */
export function runOwner(argv: readonly string[], terminal: ServiceTerminal): Promise<number> {
  return runCommandLine(ownerCommand(terminal), argv, terminal);
}

/** `slicelab node` with all its commands. */
export function ownerCommand(terminal: ServiceTerminal): Command {
  const { env, clock } = terminal;
  const command = commandOf("node", "The last word of a node's owner over what runs on it.", terminal);
  command.addHelpText("after", AFTER);
  const atNode: AtNode = ({ config }, work) =>
    asOwner(loadNodeManagerConfig({ file: config, env }), clock, work);
  addListings(command, atNode, terminal);
  addActs(command, atNode, terminal);
  addBans(command, atNode, terminal);
  addAudit(command, atNode, terminal);
  addWho(command, atNode, terminal);
  return command;
}

function addListings(parent: Command, atNode: AtNode, { out }: ServiceTerminal): void {
  withOutput(ownerSubcommand(parent, "leases", "list what is leased here, and to whom")).action(
    (options: Listed) =>
      atNode(options, async (api) => {
        out(
          listingText(options.output, await api.listleases(), [
            { header: "SLICE", value: ({ slice }) => slice },
            { header: "STATE", value: ({ state }) => state },
            { header: "PRINCIPAL", value: ({ principal }) => principal.slice(0, 12), narrow: true },
            { header: "PRINCIPAL", value: ({ principal }) => principal, wide: true },
            { header: "ENGINE", value: ({ engine }) => engine },
            { header: "CPU", value: ({ cpu_millis }) => `${cpu_millis / 1000}` },
            { header: "MEMORY", value: ({ memory_mib }) => `${memory_mib} MiB` },
            { header: "PORTS", value: ({ ports }) => ports.join(", ") },
            { header: "ENDS (UTC)", value: ({ end_time }) => end_time },
            { header: "RENEWABLE UNTIL", value: (lease) => lease.renewable_until_time, wide: true },
            { header: "SLIVER", value: ({ sliver }) => sliver, wide: true },
            { header: "WHY", value: whySuspended },
          ]),
        );
      }),
  );
  withOutput(ownerSubcommand(parent, "bans", "list whom this node does not want")).action((options: Listed) =>
    atNode(options, async (api) => {
      out(
        listingText(options.output, await api.listbans(), [
          { header: "KIND", value: ({ kind }) => kind },
          { header: "NAME", value: ({ name }) => name },
          { header: "SINCE (UTC)", value: ({ since }) => since },
          { header: "REASON", value: ({ reason }) => reason },
        ]),
      );
    }),
  );
}

function whySuspended({ suspensions }: OwnedLease): string {
  return suspensions.map(({ by, since, reason }) => `${by} since ${since} ${reason}`.trim()).join("; ");
}

const REASON = "told to its principal and kept in the node's audit";

function addActs(parent: Command, atNode: AtNode, { out }: ServiceTerminal): void {
  ownerSubcommand(parent, "suspend <slice>", "stop its sliver and keep it, with its disk and its lease")
    .option("--reason <text>", REASON)
    .action((slice: string, options: Acting) =>
      atNode(options, async (api) => {
        await api.suspend({ slice, reason: options.reason });
        out(`${slice} is suspended\n`);
      }),
    );
  ownerSubcommand(parent, "resume <slice>", "let a suspended sliver run again").action(
    (slice: string, options: OwnerOptions) =>
      atNode(options, async (api) => {
        await api.resume({ slice });
        out(`${slice} may run again\n`);
      }),
  );
  ownerSubcommand(parent, "kill <slice>", "end its lease, destroy its sliver and tell its agents")
    .option("--reason <text>", "kept in the node's audit")
    .action((slice: string, options: Acting) =>
      atNode(options, async (api) => {
        await api.kill({ slice, reason: options.reason });
        out(`the lease of ${slice} is ended and its sliver is gone\n`);
      }),
    );
}

function addBans(parent: Command, atNode: AtNode, { out }: ServiceTerminal): void {
  ownerSubcommand(
    parent,
    "ban <slice-or-key>",
    "redeem and renew nothing more of a slice, or of a principal by its key's name; what it has here goes on to its end",
  )
    .option("--reason <text>", REASON)
    .option("--kill", "end what it has here at once, too")
    .action((name: string, { kill, reason, ...options }: Acting & { readonly kill?: true }) =>
      atNode(options, async (api) => {
        await api.ban({ name, reason });
        out(`${name} is banned from this node\n`);
        if (!kill) return;
        const leases = await api.listleases();
        for (const { slice } of leases.filter((lease) => lease.slice === name || lease.principal === name)) {
          await api.kill({ slice, reason });
          out(`the lease of ${slice} is ended and its sliver is gone\n`);
        }
      }),
    );
  ownerSubcommand(parent, "unban <slice-or-key>", "take back a ban").action(
    (name: string, options: OwnerOptions) =>
      atNode(options, async (api) => {
        await api.unban({ name });
        out(`${name} is banned no more\n`);
      }),
  );
}
