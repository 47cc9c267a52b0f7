import { OperatorError } from "#shared/model/errors.ts";
import type { Tx } from "#shared/runtime/database.ts";
import { MAX_LISTED } from "#shared/wire/administration-api.ts";
import { chainedRows, chainHeads, latestHead } from "../../store/audit/chain.ts";
import type { AuditChain } from "../audit-chain.ts";
import { type AdministeredBooks, type Office, officeOf } from "../office.ts";
import type { Acts } from "./acts.ts";

export type AuditedBooks = AdministeredBooks & { readonly chain: AuditChain };

type AuditActs = Pick<Acts, "getaudit" | "getauditheads">;

export function auditActs(books: AuditedBooks): AuditActs {
  /** A chain that cannot go on is read as it is: whoever reads it is to see where it breaks. */
  async function extended(): Promise<void> {
    try {
      await books.chain.extend();
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
    }
  }
  /** Reads of the audit, with everything in the chain that was written before. */
  async function chained<T>(reading: Office, read: (tx: Tx) => Promise<T>): Promise<T> {
    await reading.read(async () => undefined);
    await extended();
    return await reading.read(read);
  }
  return {
    getaudit: async ({ after = 0, limit = MAX_LISTED, who }, call) => {
      const rows = await chained(officeOf(books, call), (tx) => chainedRows(tx, { after, limit, who }));
      return rows.map(({ label, ...row }) => ({ ...row, name: label }));
    },
    getauditheads: async ({ after = 0, limit = MAX_LISTED, latest }, call) => {
      const heads = await chained(officeOf(books, call), async (tx) =>
        latest ? [await latestHead(tx)].filter((head) => head !== undefined) : chainHeads(tx, after, limit),
      );
      return heads.map((head) => ({ ...head, signature: head.signature.toString("base64") }));
    },
  };
}
