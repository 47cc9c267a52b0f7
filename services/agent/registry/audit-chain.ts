import { type SigningKey, signBytes, verifyBytes } from "#shared/identity/signature.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { formatInstant } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import {
  BEFORE_FIRST,
  type ChainedRow,
  type ChainHead,
  hashAfter,
  headBytes,
  type SignedHead,
} from "#shared/wire/audit-chain.ts";
import { chainRows, insertHead, latestHead, lockChain, unchainedRows } from "../store/audit/chain.ts";

/** How many rows one transaction chains. */
const BATCH = 1000;

/** Makes an agent's audit a chain, in batches beside everything else, and signs where each ends. */
export class AuditChain {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #key: SigningKey;

  /** `key`: the agent's identity. */
  constructor(database: Database, clock: Clock, key: SigningKey) {
    this.#database = database;
    this.#clock = clock;
    this.#key = key;
  }

  /**
   * Chains every row that was written before this was called. Throws OperatorError where the head it would go on from is
   * in this agent's name and not signed by it: somebody wrote it into the database.
   */
  async extend(): Promise<void> {
    for (;;) {
      const chained = await this.#database.transaction((tx) => this.#extend(tx));
      if (chained < BATCH) return;
    }
  }

  async #extend(tx: Tx): Promise<number> {
    await lockChain(tx);
    const rows = await unchainedRows(tx, BATCH);
    if (rows.length === 0) return 0;
    let last: ChainHead = this.#trusted(await latestHead(tx));
    const chained: ChainedRow[] = [];
    for (const row of rows) {
      last = { position: last.position + 1, hash: hashAfter(last, row) };
      chained.push({ ...row, ...last });
    }
    await chainRows(tx, chained);
    const head = { ...last, sealed: formatInstant(this.#clock.now()), key: this.#key.public.name };
    await insertHead(tx, { ...head, signature: signBytes(this.#key, headBytes(head)) });
    return rows.length;
  }

  #trusted(head: SignedHead | undefined): ChainHead {
    if (!head) return BEFORE_FIRST;
    const { public: own } = this.#key;
    if (head.key === own.name && !verifyBytes(own, headBytes(head), head.signature))
      throw new OperatorError(
        `the audit's head at ${head.position} is not this agent's: somebody changed its database; see slicelab admin audit verify`,
      );
    return head;
  }
}
