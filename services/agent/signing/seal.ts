import { setImmediate as turn } from "node:timers/promises";
import type { KeyName } from "#shared/identity/key.ts";
import { signDocument, signDocumentInBackground } from "#shared/wire/document.ts";
import type { TicketKeys } from "./ticket-keys.ts";

/** A ticket's body with what its document is made of. The same sealed twice is the same bytes. */
export type Unsealed = {
  readonly body: Buffer;
  /** The ticket key that signs it. */
  readonly principal: KeyName;
  readonly lineage: readonly string[];
};

/** So few are signed sooner here than on the thread pool. */
const FEW = 4;

/** Signed on two cores, a batch takes a millisecond or two: nobody waits longer for the event loop. */
const BATCH = 50;

/** Signs tickets, in their order, without holding the event loop. A key that another process has begun to use is found. */
export async function sealAll(keys: TicketKeys, tickets: readonly Unsealed[]): Promise<string[]> {
  if (!tickets.every((t) => keys.has(t.principal))) await keys.refresh();
  if (tickets.length <= FEW) {
    return tickets.map((t) => signDocument(keys.named(t.principal), t.body, t.lineage));
  }
  return await inBatches(tickets, (t) =>
    signDocumentInBackground(keys.named(t.principal), t.body, t.lineage),
  );
}

/** `work` done for all items, a batch at a time, with a turn of the event loop between batches. */
export async function inBatches<T, R>(
  items: readonly T[],
  work: (item: T, at: number) => R | Promise<R>,
): Promise<R[]> {
  const done: R[] = [];
  for (let at = 0; at < items.length; at += BATCH) {
    if (at > 0) await turn();
    done.push(
      ...(await Promise.all(items.slice(at, at + BATCH).map((item, place) => work(item, at + place)))),
    );
  }
  return done;
}
