import { EncodedReply } from "#shared/wire/xmlrpc/dispatch.ts";
import { WrittenValue } from "#shared/wire/xmlrpc/encode.ts";
import { inBatches } from "../signing/seal.ts";

/** Tickets as an answer, written a batch at a time: the bytes that a plain list of them is, without holding the event loop. */
export async function ticketsReply(tickets: readonly string[]): Promise<EncodedReply> {
  return new EncodedReply(await inBatches(tickets, (text) => new WrittenValue(text)));
}
