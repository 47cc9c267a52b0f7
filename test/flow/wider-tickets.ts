import type { Holding, Ticket } from "#shared/model/ticket.ts";
import { HOUR, holdingUnder, KEYS, type Sealed, seal, serial } from "#test/support/documents.ts";
import type { TestbedIssuer } from "#test/support/testbed-issuer.ts";
import { type Widening, widenings } from "#test/support/widening.ts";

/** A chain in which one link says one more than the one above it, and the text of its slice ticket. */
export type WiderTicket = Widening & { readonly text: string };

const MINUTE = 60;

/**
 * Tickets for a testbed's first node whose chains are sound but for one element of one link: of the slice ticket right
 * beneath the root, of one beneath a holding with every restriction there is, and of a holding beneath that. `good` is
 * such a chain with nothing wrong.
 */
export function widerTickets(issuer: TestbedIssuer): { good: string; wider: WiderTicket[] } {
  const root = issuer.root(0);
  const now = Math.floor(Date.now() / 1000);
  const validity = { start: now - MINUTE, end: now + HOUR };
  const soon = { validity, term: validity, ports: [] };
  const restricted = { slicePrefix: "forged", engine: "simulated", image: "debian-12" } as const;
  const ceilings = { cpuMillis: 500, egressKbps: 1000 };
  const first = seal(holdingUnder(root, { ...soon, ...restricted, ceilings }), issuer.key, root.lineage);
  const second = holdingUnder(first, { ...soon, to: KEYS.agent });
  const good = seal(ticketBelow(issuer, first), KEYS.branch, first.lineage);
  const wider = [
    ...wideningsOf(root, issuer.ticket(0)).map((one) => ({ ...one, text: issuer.signed(0, one.child) })),
    ...wideningsOf(first, good.ticket).map((one) => ({
      ...one,
      text: seal(one.child, KEYS.branch, first.lineage).text,
    })),
    ...wideningsOf(first, second).map((one) => {
      const parent = seal(one.child as Holding, KEYS.branch, first.lineage);
      return { ...one, text: seal(ticketBelow(issuer, parent), KEYS.agent, parent.lineage).text };
    }),
  ];
  return { good: good.text, wider };
}

/** No two of them alike, so that none is refused for what became of another. */
function wideningsOf(parent: Sealed<Holding>, child: Ticket): Widening[] {
  return widenings(parent.ticket, child, 1).map((one, at) => ({
    ...one,
    child: { ...one.child, serial: serial(at + 1) },
  }));
}

function ticketBelow(issuer: TestbedIssuer, parent: Sealed<Holding>) {
  const { engine, image, ceilings, principal } = parent.ticket;
  return { ...issuer.ticket(0), engine, image, ceilings, parent: parent.id, issuer: principal };
}
