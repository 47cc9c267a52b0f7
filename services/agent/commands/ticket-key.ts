import type { Command } from "commander";
import { OperatorError } from "#shared/model/errors.ts";
import { formatInstant } from "#shared/model/time.ts";
import type { ServiceTerminal } from "#shared/runtime/command-line.ts";
import { listingText, outputOption } from "#shared/runtime/listing.ts";
import { loadAgentConfig } from "../config.ts";
import { rotateTicketKey } from "../signing/rotation.ts";
import { openTicketKeys, ticketKeyFiles } from "../signing/ticket-keys.ts";
import { writeAudit } from "../store/audit/audit.ts";
import { markKeyClosing, type TicketKeyRecord, ticketKeyRecords } from "../store/ticket-keys.ts";
import { onConfig, type WithBooks } from "./books.ts";

type Options = { readonly config: string };
type ListOptions = Options & { readonly output: string };

/** `ticket-key`: the keys that nodes give holdings to, and how one takes over from another. */
export function addTicketKeyCommands(parent: Command, withBooks: WithBooks, terminal: ServiceTerminal): void {
  const group = parent.command("ticket-key").description("the keys that tickets are signed with");
  addList(group, withBooks, terminal);
  addRotate(group, withBooks, terminal);
  addClose(group, withBooks, terminal);
}

function addList(parent: Command, withBooks: WithBooks, { env, out, clock }: ServiceTerminal): void {
  onConfig(parent.command("list").description("the ticket keys there were, and what stands on each"))
    .addOption(outputOption())
    .action((options: ListOptions) =>
      withBooks(options, async ({ database }) => {
        const { name: current } = (await keysOf(options, env)).current.public;
        const records = await ticketKeyRecords(database, current, clock.now());
        const rows = records.map((record) => ({
          ...record,
          state: stateOf(record, record.name === current),
        }));
        out(
          listingText(options.output, rows, [
            { header: "KEY", value: ({ name }) => name.slice(0, 16) },
            { header: "STATE", value: ({ state }) => state },
            { header: "SINCE", value: ({ since }) => formatInstant(since) },
            { header: "HOLDINGS", value: ({ holdings }) => holdings },
            { header: "NOT-TAKEN-OVER", value: (row) => (row.state === "before" ? row.unfollowed : 0) },
            { header: "TICKETS", value: ({ tickets }) => tickets },
            { header: "GRANTS", value: ({ grants }) => grants },
            { header: "UNTIL", value: ({ until }) => (until === null ? null : formatInstant(until)) },
          ]),
        );
      }),
    );
}

function stateOf({ closing, dropped }: TicketKeyRecord, current: boolean): string {
  if (current) return "current";
  if (dropped !== null) return "forgotten";
  return closing === null ? "before" : "closing";
}

function addRotate(parent: Command, withBooks: WithBooks, { env, out, clock }: ServiceTerminal): void {
  onConfig(
    parent
      .command("rotate")
      .description("make a new ticket key; the one there is goes on until nothing stands on it"),
  ).action((options: Options) =>
    withBooks(options, async ({ database }) => {
      const { ticket_key, previous_ticket_key } = loadAgentConfig(options.config, env);
      const { public: key } = await rotateTicketKey(ticketKeyFiles(ticket_key, previous_ticket_key));
      const at = clock.milliseconds();
      const detail = { key: key.name };
      await writeAudit(database, { at, who: "operator", method: "rotate ticket key", outcome: "ok", detail });
      out(`${key.name}\n`);
    }),
  );
}

function addClose(parent: Command, withBooks: WithBooks, { env, out, clock }: ServiceTerminal): void {
  onConfig(
    parent
      .command("close")
      .description(
        "after rotate, when somebody else may have the key before: have nodes redeem nothing beneath it from now on",
      ),
  ).action((options: Options) =>
    withBooks(options, async ({ database }) => {
      const [, before] = (await keysOf(options, env)).all;
      if (!before)
        throw new OperatorError(
          "there is no key before the current one; slicelab agent ticket-key rotate makes it so",
        );
      const { name } = before.public;
      await database.transaction(
        async (tx) => {
          await markKeyClosing(tx, name, clock.now());
          const at = clock.milliseconds();
          const detail = { key: name };
          await writeAudit(tx, { at, who: "operator", method: "close ticket key", outcome: "ok", detail });
        },
        { repeatable: true },
      );
      out(`${name}\n`);
    }),
  );
}

function keysOf({ config }: Options, env: NodeJS.ProcessEnv) {
  const { ticket_key, previous_ticket_key } = loadAgentConfig(config, env);
  return openTicketKeys(ticket_key, previous_ticket_key);
}
