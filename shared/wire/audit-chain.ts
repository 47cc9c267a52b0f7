import { createHash } from "node:crypto";
import type { KeyName, PublicKey } from "../identity/key.ts";
import { verifyBytes } from "../identity/signature.ts";
import { OperatorError } from "../model/errors.ts";

/**
 * The audit of an agent, or of a node, as a chain: each row has its place, from 1 on without gaps, and the SHA-256 of the
 * hash before, its place and all it says. Whoever has a head knows every row up to it; whose audit it is signs its heads.
 */
export type AuditRow = {
  readonly id: number;
  /** YYYY-MM-DD HH:MM:SS.ssssss in UTC. */
  readonly at: string;
  readonly who: string;
  readonly method: string;
  readonly outcome: string;
  /** JSON, as it is kept. */
  readonly detail: string;
};

export type ChainedRow = AuditRow & { readonly position: number; readonly hash: string };

/** Where the chain stood: the place of its last row and that row's hash. */
export type ChainHead = { readonly position: number; readonly hash: string };

/** A head as the agent or node signed it. */
export type SignedHead = ChainHead & {
  /** YYYY-MM-DD HH:MM:SS in UTC. */
  readonly sealed: string;
  readonly key: KeyName;
  readonly signature: Buffer;
};

/** What stands before the first row. */
export const BEFORE_FIRST: ChainHead = { position: 0, hash: "0".repeat(64) };

/** The hash of the row that follows `before`: over a JSON array of texts, which can be read in one way only. */
export function hashAfter(before: ChainHead, row: AuditRow): string {
  const { id, at, who, method, outcome, detail } = row;
  const content = [before.hash, String(before.position + 1), String(id), at, who, method, outcome, detail];
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}

/** What is signed of a head. */
export function headBytes({ position, hash, sealed, key }: Omit<SignedHead, "signature">): Buffer {
  return Buffer.from(`slicelab audit head\n${key}\n${position}\n${hash}\n${sealed}\n`);
}

/** What is wrong with a chain. `position`: of the first row that is not as it was. */
export type Break = { readonly position: number; readonly what: string };

/** Follows a chain row by row from its beginning, and says where it breaks. */
class ChainCheck {
  /** In the order in which they signed, the present one last. */
  readonly #signers: readonly PublicKey[];
  /** Which of them signed the last head that was reached. */
  #signedBy = 0;
  /** In the order of their places; those that are reached are taken off. */
  readonly #heads: SignedHead[];
  readonly #known: ChainHead | undefined;
  #last: ChainHead = BEFORE_FIRST;

  /**
   * `known`: a head that was noted before, elsewhere. `earlier`: keys that signed heads before the signer's present one,
   * the oldest first.
   */
  constructor(
    signer: PublicKey,
    heads: readonly SignedHead[],
    known?: ChainHead,
    earlier: readonly PublicKey[] = [],
  ) {
    this.#signers = [...earlier, signer];
    this.#heads = heads.toSorted((a, b) => a.position - b.position);
    this.#known = known;
  }

  /** The last row that was read. */
  get last(): ChainHead {
    return this.#last;
  }

  /** Reads the next row. */
  read(row: ChainedRow): Break | undefined {
    const position = this.#last.position + 1;
    if (row.position !== position) return { position, what: "is missing" };
    if (row.hash !== hashAfter(this.#last, row)) return { position, what: "is not what it was" };
    this.#last = { position, hash: row.hash };
    if (this.#known?.position === position && this.#known.hash !== row.hash)
      return { position, what: "has another hash than the head that was noted" };
    const head = this.#heads[0];
    if (head?.position !== position) return undefined;
    this.#heads.shift();
    if (head.hash !== row.hash) return { position, what: "has another hash than the signed head" };
    return this.#unsigned(head);
  }

  /** Called after the last row. */
  end(): Break | undefined {
    const { position } = this.#last;
    const [head] = this.#heads;
    const beyond = Math.max(head?.position ?? 0, this.#known?.position ?? 0);
    if (beyond > position) return { position: position + 1, what: "is missing, with what followed" };
    return undefined;
  }

  #unsigned(head: SignedHead): Break | undefined {
    const { position } = head;
    const place = this.#signers.findIndex((key) => key.name === head.key);
    const signer = this.#signers[place];
    if (!signer) return { position, what: `ends at a head that another key signed (${head.key})` };
    if (place < this.#signedBy)
      return { position, what: "ends at a head of a key that another had taken over from before" };
    this.#signedBy = place;
    if (verifyBytes(signer, headBytes(head), head.signature)) return undefined;
    return { position, what: "ends at a head whose signature is wrong" };
  }
}

/** Where a chain is read from, page by page. */
export type ChainSource = {
  /** Those behind this place, in order; none at the end. */
  readonly heads: (after: number) => Promise<readonly SignedHead[]>;
  /** Likewise. */
  readonly rows: (after: number) => Promise<readonly ChainedRow[]>;
};

/**
 * Reads all of a chain and gives its last head. Throws OperatorError where it breaks. Rows that are written meanwhile are
 * left for the next time. `signer`: asked for once the heads are read. `known`: a head that was noted before, elsewhere.
 * `earlier`: as for `ChainCheck`.
 */
export async function verifyChain(
  { heads: headsAfter, rows }: ChainSource,
  signer: () => PublicKey,
  known?: ChainHead,
  earlier?: readonly PublicKey[],
): Promise<ChainHead> {
  const heads = await allHeads(headsAfter);
  const check = new ChainCheck(signer(), heads, known, earlier);
  const end = Math.max(0, ...heads.map(({ position }) => position));
  for (;;) {
    const page = await rows(check.last.position);
    for (const row of page) refuseBreak(check.read(row));
    if (page.length === 0 || check.last.position >= end) break;
  }
  refuseBreak(check.end());
  return check.last;
}

async function allHeads(after: ChainSource["heads"]): Promise<SignedHead[]> {
  const heads: SignedHead[] = [];
  for (;;) {
    const page = await after(heads.at(-1)?.position ?? 0);
    if (page.length === 0) return heads;
    heads.push(...page);
  }
}

function refuseBreak(found: Break | undefined): void {
  if (!found) return;
  throw new OperatorError(
    `the audit was tampered with: row ${found.position} ${found.what}; what stands before it is as it was`,
  );
}

/** As it stands in the answers of agents and nodes, its signature in base64. */
export function readSignedHead(
  head: Omit<SignedHead, "signature"> & { readonly signature: string },
): SignedHead {
  return { ...head, signature: Buffer.from(head.signature, "base64") };
}

/** A head as people note it. */
export function formatHead({ position, hash }: ChainHead): string {
  return `${position}:${hash}`;
}

/** Reads what `formatHead` wrote; undefined for any other text. */
export function parseHead(text: string): ChainHead | undefined {
  const [, position, hash] = /^([1-9]\d{0,14}):([0-9a-f]{64})$/.exec(text) ?? [];
  return position === undefined || hash === undefined ? undefined : { position: Number(position), hash };
}
