import type { Instant } from "#shared/model/time.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { KeptReply, ReplayScope, ReplyFinder } from "#shared/wire/xmlrpc/replay.ts";
import { sealAll } from "../signing/seal.ts";
import type { TicketKeys } from "../signing/ticket-keys.ts";
import { type Answer, findAnswer, forgetAnswers } from "../store/issuing/replies.ts";
import { ticketsOf } from "../store/issuing/tickets.ts";
import { ticketsReply } from "./tickets-reply.ts";

/** Answers given before, byte for byte: tickets are signed again, which gives the same signatures. */
export class Answers implements ReplyFinder {
  readonly #database: Database;
  readonly #keys: TicketKeys;

  constructor(database: Database, keys: TicketKeys) {
    this.#database = database;
    this.#keys = keys;
  }

  async findReply(scope: ReplayScope): Promise<KeptReply | undefined> {
    const kept = await findAnswer(this.#database, scope);
    return kept && { argumentsHash: kept.argumentsHash, reply: await this.#bytesOf(kept.answer) };
  }

  /** Forgets what nobody can need any more. */
  async forget(before: Instant): Promise<void> {
    await forgetAnswers(this.#database, before);
  }

  async #bytesOf(answer: Answer): Promise<Buffer> {
    if ("reply" in answer) return answer.reply;
    const tickets = await sealAll(this.#keys, await ticketsOf(this.#database, answer.tickets));
    return (await ticketsReply(tickets)).bytes;
  }
}
