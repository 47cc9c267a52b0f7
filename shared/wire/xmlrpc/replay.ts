import { createHash } from "node:crypto";
import type { KeyName } from "#shared/identity/key.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import { canonicalBytes, encodeResponse } from "./encode.ts";
import type { Struct } from "./value.ts";

/** What makes two calls the same call. `signer` is the principal whose signed document a method acts on, else "". */
export type ReplayScope = {
  readonly peer: KeyName;
  readonly signer: KeyName | "";
  readonly method: string;
  readonly requestId: string;
};

/** An answer as it was sent, and the SHA-256 (hex) of the arguments it answered. */
export type KeptReply = { readonly argumentsHash: string; readonly reply: Buffer };

/** What a store writes beside a mutation: unique by all of `scope`, not needed from `until` on. */
export type ReplyToKeep = KeptReply & { readonly scope: ReplayScope; readonly until: Instant };

/** Where a service's answers are kept. */
export type ReplyFinder = {
  findReply(scope: ReplayScope): KeptReply | undefined | Promise<KeptReply | undefined>;
};

/**
 * Thrown by a store that finds a reply of the same scope already there: a second call with the same `request_id` lost
 * a race. It must leave the transaction, undoing it; the server then sends the reply that won.
 */
export class AlreadyAnswered extends Error {
  override readonly name = "AlreadyAnswered";
}

/**
 * One call that carries a `request_id`: the same id with the same arguments gets the stored answer byte for byte, with
 * other arguments MALFORMED (WIRE.md §2). The server looks for the stored answer before it calls the handler, after
 * the caller's identity and revocation were checked. What the handler owes is to keep the answer in the transaction
 * that makes the change, successes only:
 *
 *     renewlease: ({ slice }, call) =>
 *       store.transaction((tx) => {
 *         const lease = renew(tx, slice, call.peer, call.now);
 *         call.replay?.remember(lease.bytes, lease.end, (kept) => store.saveReply(tx, kept));
 *         return lease.bytes;
 *       }),
 *
 * `saveReply` inserts one row and throws `AlreadyAnswered` where the scope is taken. With an asynchronous store,
 * `await` both. A method declared `signed` must call `await call.replay?.signedBy(principal)` once it has verified the
 * document, before it changes anything. A method whose own rule makes it repeatable (redemption) need not remember.
 */
export class Replay {
  readonly #replies: ReplyFinder;
  readonly #argumentsHash: string;
  #scope: ReplayScope;
  #signerIsKnown: boolean;
  #reply: Buffer | undefined;

  /** `signed`: the scope is not complete before `signedBy` was called. */
  constructor(replies: ReplyFinder, scope: Omit<ReplayScope, "signer">, params: Struct, signed: boolean) {
    this.#replies = replies;
    this.#scope = { ...scope, signer: "" };
    this.#signerIsKnown = !signed;
    this.#argumentsHash = createHash("sha256").update(canonicalBytes(params)).digest("hex");
  }

  /** The stored answer to this very call, where it can be known yet. MALFORMED if its arguments were others. */
  async answer(): Promise<Buffer | undefined> {
    if (!this.#signerIsKnown) return undefined;
    const kept = await this.#replies.findReply(this.#scope);
    refuseUnless(
      kept === undefined || kept.argumentsHash === this.#argumentsHash,
      "MALFORMED",
      "this request_id was used before with other arguments; a new request needs a new one",
    );
    return kept?.reply;
  }

  /**
   * Narrows the scope to the principal whose document is acted on; to "" where there is none this time. Throws
   * AlreadyAnswered past the handler.
   */
  async signedBy(signer: KeyName | ""): Promise<void> {
    this.#scope = { ...this.#scope, signer };
    this.#signerIsKnown = true;
    await this.passAnswered();
  }

  /** Throws AlreadyAnswered past the handler where this very call has been answered meanwhile. */
  async passAnswered(): Promise<void> {
    if (await this.answer()) throw new AlreadyAnswered("answered before");
  }

  /**
   * Hands the encoded answer to `save`, which writes it in the transaction of the change; gives back what `save` does.
   * The handler must then return the same `result`. `until` is the instant from which nothing in it is valid any more.
   */
  remember<T>(result: unknown, until: Instant, save: (kept: ReplyToKeep) => T): T {
    const reply = encodeResponse(result);
    this.#reply = reply;
    return this.rememberRemade(until, (kept) => save({ ...kept, reply }));
  }

  /**
   * As `remember`, for an answer that `findReply` can make again to the byte from what the store has: only the scope
   * and the arguments are handed to `save`.
   */
  rememberRemade<T>(until: Instant, save: (kept: Omit<ReplyToKeep, "reply">) => T): T {
    if (!this.#signerIsKnown) throw new TypeError(`${this.#scope.method} did not say who signed`);
    return save({ scope: this.#scope, argumentsHash: this.#argumentsHash, until });
  }

  /** What `remember` encoded, so that what is sent is what was stored. */
  get remembered(): Buffer | undefined {
    return this.#reply;
  }
}
