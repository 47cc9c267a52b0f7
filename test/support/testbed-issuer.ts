import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { loadKeyFile } from "#shared/identity/key-file.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import type { Holding, SliceTicket, Ticket } from "#shared/model/ticket.ts";
import { parseDocument, withoutParents } from "#shared/wire/document.ts";
import { readTicket, writeTicket } from "#shared/wire/ticket-document.ts";
import { HOUR, type Sealed, seal, sealBody, sliceTicketUnder } from "./documents.ts";
import type { TestbedProcess } from "./testbed.ts";

/**
 * An agent that signs anything: it has the ticket key and the roots of a testbed's real agent, whose books know nothing
 * of what it issues. For tickets that no honest agent would write.
 */
export type TestbedIssuer = {
  readonly key: SigningKey;
  /** The node's root, held by the agent. */
  root(node: number): Sealed<Holding>;
  /** A sound ticket of alice's, for half an hour and with next to nothing, and what is to be different about it. */
  ticket(node: number, change?: Partial<SliceTicket>): SliceTicket;
  /** Signs a ticket beneath the root. */
  signed(node: number, ticket: Ticket): string;
  /** The same after a change to what is written. */
  written(node: number, ticket: Ticket, change: (xml: string) => string): string;
};

export async function testbedIssuer({ clients, home, description }: TestbedProcess): Promise<TestbedIssuer> {
  const { alice } = clients;
  const ips = description.nodes.map(({ ip }) => ip);
  const order = { slice: "probe", ntickets: ips.length, leaselen: HOUR, ips };
  const tickets = await alice.agent.newtickets(order);
  await alice.agent.releasetickets({ tickets });
  const key = await loadKeyFile(join(home, "agent/ticket.key"));
  const roots = tickets.map((text): Sealed<Holding> => {
    const [document] = parseDocument(text).parents;
    const own = withoutParents(document!);
    return { ticket: readTicket(document!) as Holding, id: document!.id, text: own, lineage: [own] };
  });
  return {
    key,
    root: (node) => roots[node]!,
    ticket(node, change = {}) {
      const now = Math.floor(Date.now() / 1000);
      const term = { start: now, end: now + HOUR / 2 };
      return sliceTicketUnder(roots[node]!, {
        serial: randomBytes(16).toString("hex"),
        principal: alice.name,
        slice: "forged",
        validity: term,
        ...{ term, renewableUntil: term.end },
        resources: { cpuMillis: 0, memoryMib: 1, diskMib: 1, egressKbps: 0 },
        ...change,
      });
    },
    signed: (node, ticket) => seal(ticket, key, roots[node]!.lineage).text,
    written(node, ticket, change) {
      const body = Buffer.from(change(writeTicket(ticket).toString("utf8")));
      return sealBody(body, key, roots[node]!.lineage).text;
    },
  };
}
