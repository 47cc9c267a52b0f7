import type { Command } from "commander";
import { formatInstant } from "#shared/model/time.ts";
import { EXIT, type ExitCode } from "../terminal/exit-code.ts";
import { type Listing, shortName } from "../terminal/output.ts";
import type { TicketView } from "../tickets/ticket-view.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";

export function addTicketCommands(parent: Command, tools: Tools): void {
  const ticket = parent.command("ticket").summary("look at tickets that are not redeemed yet");
  withCommonOptions(ticket.command("list"))
    .description(
      "list your tickets that are not redeemed: those kept here, and those your agents still count",
    )
    .argument("[slice]", "only its tickets")
    .action(async (name: string | undefined, options: CommonOptions) => {
      await invoke(tools, options, (invocation) => list(name, invocation));
    });
}

async function list(name: string | undefined, invocation: Invocation): Promise<ExitCode> {
  const { findTickets } = await import("../tickets/ticket-view.ts");
  using network = await invocation.network();
  const { views, failures } = await findTickets(invocation.home, name, network);
  await invocation.print(listing(views));
  for (const failure of failures) invocation.warn(failure.message);
  return failures.length === 0 ? EXIT.ok : EXIT.partial;
}

function listing(rows: readonly TicketView[]): Listing<TicketView> {
  return {
    rows,
    columns: [
      { header: "TICKET", value: ({ id }) => shortName(id) },
      { header: "SLICE", value: ({ ticket }) => ticket.slice },
      { header: "NODE", value: ({ ticket }) => shortName(ticket.node) },
      { header: "IP", value: ({ ticket }) => ticket.ip },
      { header: "REDEEM UNTIL (UTC)", value: ({ ticket }) => formatInstant(ticket.validity.end) },
      { header: "ENDS (UTC)", value: ({ ticket }) => formatInstant(ticket.term.end), wide: true },
      { header: "KEPT", value: ({ where }) => where },
    ],
    name: ({ id }) => id,
    member: ({ id, ticket, where }) => ({
      ticket: id,
      slice: ticket.slice,
      node: ticket.node,
      ip: ticket.ip,
      validto_time: formatInstant(ticket.validity.end),
      start_time: formatInstant(ticket.term.start),
      end_time: formatInstant(ticket.term.end),
      kept: where,
    }),
  };
}
