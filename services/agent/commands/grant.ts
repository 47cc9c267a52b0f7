import type { Command } from "commander";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { formatInstant } from "#shared/model/time.ts";
import type { ServiceTerminal } from "#shared/runtime/command-line.ts";
import type { Database } from "#shared/runtime/database.ts";
import { type AgentConfig, loadAgentConfig } from "../config.ts";
import { Granting } from "../holdings/granting.ts";
import { type Neighbour, type NotTaken, reachNeighbour } from "../holdings/neighbour.ts";
import { openTicketKeys } from "../signing/ticket-keys.ts";
import { type Grant, grantsBeginning } from "../store/holdings/grants.ts";
import { nodeCalled, nodesHeld } from "../store/holdings/held.ts";
import { type BooksOptions, onConfig, type WithBooks } from "./books.ts";
import { type GrantOptions, grantOptions, type ToOptions, toAgent, wishOf } from "./grant-options.ts";

/** So much of a grant's id is shown, as by `holding list`. */
const SHOWN = 16;

/** A command that signs and calls, and so needs more of the agent than its books. */
type Desk = { readonly config: AgentConfig; readonly database: Database; readonly granting: Granting };

/** `holding grant`, and the commands that deal with what was handed on. */
export function addGrantCommands(holding: Command, withBooks: WithBooks, terminal: ServiceTerminal): void {
  const withDesk = async (options: BooksOptions, work: (desk: Desk) => Promise<void>) => {
    const config = loadAgentConfig(options.config, terminal.env);
    const keys = await openTicketKeys(config.ticket_key, config.previous_ticket_key);
    const { clock } = terminal;
    await withBooks({ config: options.config, database: config.database }, async ({ database }) => {
      const { overbooking } = config;
      await work({ config, database, granting: new Granting({ database, keys, clock, overbooking }) });
    });
  };
  addGrant(holding, terminal, (options, work) => withDesk(options, work));
  toAgent(holding.command("deposit").argument("<grants...>", "as list shows them"))
    .description("give another agent what was granted to it already, if it does not have it")
    .action((ids: string[], options: ToOptions) =>
      withDesk(options, async ({ config, database, granting }) => {
        const grants = await Promise.all(ids.map((id) => grantCalled(database, id)));
        const documents = await Promise.all(grants.map(({ id }) => granting.document(id)));
        await using other = await reachNeighbour(config, { url: options.to, identity: options.identity });
        await depositAll(other, grants, documents, terminal);
      }),
    );
  onConfig(holding.command("close").argument("<grant>", "as list shows it"))
    .description(
      "take back what was handed on: nothing is redeemed beneath it any more, and it is free when nothing is left",
    )
    .action((id: string, options: BooksOptions) =>
      withDesk(options, async ({ database, granting }) => {
        const news = await granting.close(await grantCalled(database, id));
        terminal.err(
          news
            ? "the agent asks its node to close it; it is free once nothing is leased beneath it: see holding list\n"
            : "it is being closed, or is over, already\n",
        );
      }),
    );
}

function addGrant(
  holding: Command,
  terminal: ServiceTerminal,
  withDesk: (options: BooksOptions, work: (desk: Desk) => Promise<void>) => Promise<void>,
): void {
  grantOptions(toAgent(holding.command("grant")))
    .description("hand a part of what is held on some nodes on to another agent")
    .action((options: GrantOptions) =>
      withDesk(options, async (desk) => {
        await using other = await reachNeighbour(desk.config, {
          url: options.to,
          identity: options.identity,
        });
        await handOn(desk, other, options, terminal);
      }),
    );
}

/** Grants node by node: what is refused for one is said and keeps no other from being granted. */
async function handOn(
  { database, granting }: Desk,
  other: Neighbour,
  options: GrantOptions,
  { out, err, clock }: ServiceTerminal,
): Promise<void> {
  const replaces = options.renews === undefined ? undefined : await grantCalled(database, options.renews);
  const wish = { ...wishOf(options, clock.now()), ...(replaces && { replaces }) };
  const to = await other.grantee();
  const nodes = await nodesOf(database, options, replaces, clock.now());
  const documents: string[] = [];
  const granted: Granted[] = [];
  let refused = 0;
  for (const node of nodes) {
    try {
      const { id, ticket } = await granting.grant({ ...wish, node, to });
      documents.push(await granting.document(id));
      granted.push({ id, ip: ticket.ip });
      const { slivers, memoryMib } = ticket.resources;
      out(
        `${id.slice(0, SHOWN)}  ${ticket.ip}  ${slivers} slivers  ${memoryMib} MiB  until ${formatInstant(ticket.term.end)}\n`,
      );
    } catch (error) {
      if (!(error instanceof Fault || error instanceof OperatorError)) throw error;
      refused += 1;
      err(`${node.slice(0, 16)}: ${error.message}\n`);
    }
  }
  await depositAll(other, granted, documents, { err });
  if (refused > 0) throw new OperatorError(`nothing was handed on of ${refused} of ${nodes.length} nodes`);
}

/** What the books know a grant by, and where that one knows its node. */
type Granted = { readonly id: string; readonly ip?: string };

/** Gives what was granted to the other agent, and says of each that it does not take, why. */
async function depositAll(
  other: Neighbour,
  granted: readonly Granted[],
  documents: readonly string[],
  { err }: Pick<ServiceTerminal, "err">,
): Promise<void> {
  let refused: readonly NotTaken[];
  try {
    refused = await other.deposit(documents);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    throw new OperatorError(`${error.message}\n${notTaken(granted)}`, { cause: error });
  }
  for (const { at, because } of refused) err(`${called(granted[at])}: ${because}\n`);
  const left = refused.flatMap(({ at }) => granted[at] ?? []);
  if (left.length > 0) throw new OperatorError(notTaken(left));
}

function called(grant: Granted | undefined): string {
  return [grant?.id.slice(0, SHOWN), grant?.ip].filter((part) => part !== undefined).join("  ");
}

function notTaken(granted: readonly Granted[]): string {
  const ids = granted.map(({ id }) => id.slice(0, SHOWN)).join(" ");
  return `this was granted and counts, and the other agent has not taken it: mend that and run holding deposit, or holding close: ${ids}`;
}

async function nodesOf(
  database: Database,
  { node: names, all }: GrantOptions,
  replaces: Grant | undefined,
  now: number,
): Promise<readonly string[]> {
  if (replaces) {
    if (names.length > 0 || all)
      throw new OperatorError("--renews is about the node of that grant: leave out --node and --all");
    return [replaces.node];
  }
  if (all) return await nodesHeld(database, now);
  if (names.length === 0) throw new OperatorError("say of which nodes: --node or --all");
  return await Promise.all(
    [...new Set(names)].map(async (name) => {
      const node = await nodeCalled(database, name);
      if (node === undefined) throw new OperatorError(`there is no node "${name}"`);
      return node;
    }),
  );
}

async function grantCalled(database: Database, id: string): Promise<Grant> {
  const [grant, another] = await grantsBeginning(database, id);
  if (!grant) throw new OperatorError(`there is no grant ${id}; holding list shows them`);
  if (another) throw new OperatorError(`several grants begin with ${id}; say more of it`);
  return grant;
}
