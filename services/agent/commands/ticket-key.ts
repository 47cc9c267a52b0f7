import type { Command } from "commander";
import { OperatorError } from "#shared/model/errors.ts";
import { formatInstant } from "#shared/model/time.ts";
import type { ServiceTerminal } from "#shared/runtime/command-line.ts";
import { loadAgentConfig } from "../config.ts";
import { rotateTicketKey } from "../signing/rotation.ts";
import { openTicketKeys, ticketKeyFiles } from "../signing/ticket-keys.ts";
import { writeAudit } from "../store/audit.ts";
import { markKeyClosing, type TicketKeyRecord, ticketKeyRecords } from "../store/ticket-keys.ts";
import { onConfig, type WithBooks } from "./books.ts";

type Options = { readonly config: string };

/** `ticket-key`: the keys that nodes give holdings to, and how one takes over from another. */
export function addTicketKeyCommands(parent: Command, withBooks: WithBooks, terminal: ServiceTerminal): void {
  const group = parent.command("ticket-key").description("the keys that tickets are signed with");
  addList(group, withBooks, terminal);
  addRotate(group, withBooks, terminal);
  addClose(group, withBooks, terminal);
}

function addList(parent: Command, withBooks: WithBooks, { env, out, clock }: ServiceTerminal): void {
  onConfig(parent.command("list").description("the ticket keys there were, and what stands on each")).action(
    (options: Options) =>
      withBooks(options, async ({ database }) => {
        const keys = await keysOf(options, env);
        const records = await ticketKeyRecords(database, keys.current.public.name, clock.now());
        const lines = records.map((record) => {
          const { name, since, holdings, unfollowed, tickets, grants, until } = record;
          const state = stateOf(record, name === keys.current.public.name);
          const waiting = state === "before" ? unfollowed : 0;
          const last = until === null ? "-" : formatInstant(until);
          return [name.slice(0, 16), state, formatInstant(since), holdings, waiting, tickets, grants, last];
        });
        const heads = ["KEY", "STATE", "SINCE", "HOLDINGS", "NOT-TAKEN-OVER", "TICKETS", "GRANTS", "UNTIL"];
        out([heads, ...lines].map((cells) => `${cells.join("\t")}\n`).join(""));
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
