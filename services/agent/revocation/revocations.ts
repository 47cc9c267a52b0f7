import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import { publicKeyFromSpki } from "#shared/identity/key.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import { Fault, OperatorError, refuseUnless } from "#shared/model/errors.ts";
import { isToBeSignedAgain, type Revoked } from "#shared/model/revocation.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import {
  claimedList,
  type HeldList,
  openRevocations,
  signNextList,
} from "#shared/wire/revocation-document.ts";
import { RevocationLists } from "#shared/wire/revocation-lists.ts";
import type { Office } from "../registry/office.ts";
import { writeAudit } from "../store/audit/audit.ts";
import { findPrincipal } from "../store/registry/principals.ts";
import {
  addRevoked,
  barRevoked,
  issuedDocument,
  lockRevocations,
  replaceRevoked,
  revokedBy,
  type StoredList,
  saveContradiction,
  saveList,
  storedLists,
  takeBackRevoked,
} from "../store/revocations.ts";

/** How long this agent's own list is good for. */
const LIST_SECONDS = 7 * 86_400;

export type RevocationParts = {
  readonly database: Database;
  readonly clock: Clock;
  /** Signs this agent's own list. */
  readonly signingKey: SigningKey;
  /** Keys of the authorities that are trusted now. */
  readonly authorities: () => readonly PublicKey[];
};

/**
 * What is revoked, as an agent goes by it: the authority's list, and its own. The database says what holds for all
 * processes on it; each knows it by heart, since it is asked at every call.
 */
export class Revocations {
  readonly #parts: RevocationParts;
  #lists: RevocationLists;

  private constructor(parts: RevocationParts) {
    this.#parts = parts;
    this.#lists = new RevocationLists(parts.signingKey.public.name);
  }

  static async open(parts: RevocationParts): Promise<Revocations> {
    const revocations = new Revocations(parts);
    await revocations.load();
    return revocations;
  }

  /** Learns what other processes have written down. An authority that is not trusted any more is not believed. */
  async load(): Promise<void> {
    const { database, signingKey, authorities } = this.#parts;
    const self = signingKey.public.name;
    const stored = await storedLists(database);
    const believed = new Set([self, ...authorities().map(({ name }) => name)]);
    const lists = new RevocationLists(self);
    lists.put(...stored.filter(({ signer }) => believed.has(signer)).map(heldList));
    // Of two that read at once the one that read first may end last: what the other learnt meanwhile stays.
    lists.put(...this.#lists.all.filter(({ key }) => believed.has(key.name)));
    this.#lists = lists;
  }

  /** Whether nobody with this key is listened to: asked at every call. */
  readonly isRevoked = (key: KeyName): boolean => this.#lists.isRevoked(key);

  /** Lists whose next ones are missing, as the agent's operator is told of it. */
  concerns(now: Instant): string[] {
    return this.#lists.concerns(now);
  }

  get all(): readonly HeldList[] {
    return this.#lists.all;
  }

  documents(except: readonly DocumentId[] = []): string[] {
    return this.#lists.documents(except);
  }

  /**
   * Goes by a list of the authority from now on, whoever brings it; true if it is news. UNKNOWN_KEY for anybody else's,
   * and what `openRevocations` and `isNews` throw.
   */
  async take(text: string, bringer: KeyName): Promise<boolean> {
    const { database, clock, authorities } = this.#parts;
    const name = claimedList(text).signer;
    const key = authorities().find((authority) => authority.name === name);
    refuseUnless(
      key,
      "UNKNOWN_KEY",
      "this agent takes the list of revocations of its authority; that one is of somebody else",
    );
    const offered = openRevocations(text, key, "authority");
    try {
      const news = await database.transaction((tx) => this.#takeIn(tx, offered, bringer), {
        repeatable: true,
      });
      await this.load();
      return news;
    } catch (error) {
      if (error instanceof Fault && error.name === "BAD_CHAIN")
        await saveContradiction(database, storedList(offered), clock.now());
      throw error;
    }
  }

  async #takeIn(tx: Tx, offered: HeldList, bringer: KeyName): Promise<boolean> {
    const { clock } = this.#parts;
    const now = clock.now();
    await lockRevocations(tx);
    const held = new RevocationLists();
    held.put(...(await storedLists(tx)).filter(({ signer }) => signer === offered.key.name).map(heldList));
    if (!held.isNews(offered)) return false;
    const { number, issuer, revoked } = offered.list;
    await saveList(tx, storedList(offered), now);
    await replaceRevoked(tx, issuer, revoked);
    await this.#enforce(tx, now);
    const detail = { signer: issuer, number, names: revoked.length };
    const at = clock.milliseconds();
    await writeAudit(tx, { at, who: bringer, method: "postrevocations", outcome: "ok", detail });
    return true;
  }

  /** Has nothing more to do with a principal, and ends at every node what it gave it. Returns its key's name. */
  async revokePrincipal(office: Office, labelOrName: string): Promise<KeyName> {
    const name = await office.act("revoke principal", { principal: labelOrName }, async (tx) => {
      const principal = await findPrincipal(tx, labelOrName);
      if (!principal) throw new OperatorError(`there is no principal "${labelOrName}"`);
      if (principal.role === "node")
        throw new OperatorError("a node is retired; if others have its key, the authority revokes that");
      await this.#name(tx, "principal", principal.name);
      return principal.name;
    });
    await this.load();
    return name;
  }

  /** Ends what a ticket was used for, or everything beneath a grant, and has neither used again. */
  async revokeTicket(office: Office, ticket: DocumentId): Promise<void> {
    await office.act("revoke ticket", { ticket }, async (tx) => {
      const issued = await issuedDocument(tx, ticket);
      if (!issued) throw new OperatorError(`this agent issued no ticket ${ticket}`);
      await this.#name(tx, "ticket", ticket, issued.until);
    });
    await this.load();
  }

  /** Names one more in this agent's own list; what it names already, it names. */
  async #name(tx: Tx, kind: Revoked["kind"], id: string, until?: Instant): Promise<void> {
    const { clock, signingKey } = this.#parts;
    const now = clock.now();
    const self = signingKey.public;
    await lockRevocations(tx);
    if (!(await addRevoked(tx, self.name, { kind, id, since: now }, until))) return;
    await this.#sign(tx, now);
    await this.#enforce(tx, now);
  }

  /** Signs this agent's own list once more where that is due, so that nobody takes it for one that was replaced. */
  async signAgain(): Promise<void> {
    const { database, clock, signingKey } = this.#parts;
    const now = clock.now();
    const held = this.#lists.of(signingKey.public.name);
    if (!held || !isToBeSignedAgain(held.list, now, LIST_SECONDS)) return;
    await database.transaction(
      async (tx) => {
        await lockRevocations(tx);
        const stored = (await storedLists(tx)).find(({ signer }) => signer === held.key.name);
        if (stored?.number === held.list.number) await this.#sign(tx, now); // else another process was first
      },
      { repeatable: true },
    );
    await this.load();
  }

  async #sign(tx: Tx, now: Instant): Promise<void> {
    const { signingKey } = this.#parts;
    const self = signingKey.public.name;
    const last = (await storedLists(tx)).find(({ signer }) => signer === self);
    const revoked = await revokedBy(tx, self, now);
    const next = signNextList(signingKey, "agent", { last, at: now, seconds: LIST_SECONDS, revoked });
    await saveList(tx, storedList(next), now);
  }

  async #enforce(tx: Tx, now: Instant): Promise<void> {
    await barRevoked(tx, now);
    await takeBackRevoked(tx, now);
  }
}

function storedList({ signer: role, key, id, list, document }: HeldList): StoredList {
  if (role === "node") throw new TypeError("an agent keeps no lists of nodes");
  return { signer: key.name, role, id, number: list.number, publicKey: key.spki, document };
}

function heldList({ role: signer, publicKey, document }: StoredList): HeldList {
  return openRevocations(document, publicKeyFromSpki(publicKey), signer);
}
