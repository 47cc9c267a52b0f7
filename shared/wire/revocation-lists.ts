import type { KeyName } from "../identity/key.ts";
import { isNews, isOverdue, overdueConcern } from "../model/revocation.ts";
import type { DocumentId } from "../model/ticket.ts";
import type { Instant } from "../model/time.ts";
import type { HeldList } from "./revocation-document.ts";

/** The lists that a process goes by, the latest of each signer, and so who is revoked for it. */
export class RevocationLists {
  readonly #self: KeyName | undefined;
  readonly #lists = new Map<KeyName, HeldList>();
  #revokedKeys: ReadonlySet<KeyName> = new Set();

  /** `self`: an agent, which has no more to do with principals that its own list names. */
  constructor(self?: KeyName) {
    this.#self = self;
  }

  get all(): readonly HeldList[] {
    return [...this.#lists.values()];
  }

  of(signer: KeyName): HeldList | undefined {
    return this.#lists.get(signer);
  }

  /** Whether this is to be gone by from now on; throws what `isNews` throws. Changes nothing: see `put`. */
  isNews(offered: HeldList): boolean {
    const held = this.#lists.get(offered.key.name);
    return isNews(held && numbered(held), numbered(offered));
  }

  /** Goes by these. One that was replaced meanwhile, while it was being written down, takes nobody's place. */
  put(...lists: readonly HeldList[]): void {
    for (const held of lists)
      if ((this.#lists.get(held.key.name)?.list.number ?? -1) < held.list.number)
        this.#lists.set(held.key.name, held);
    const revoked = this.all.flatMap(({ list }) =>
      list.revoked.filter((one) => this.#isKey(one.kind, list.issuer)),
    );
    this.#revokedKeys = new Set(revoked.map(({ id }) => id));
  }

  /** Goes on with the lists of these signers alone. */
  keep(signers: readonly KeyName[]): void {
    for (const signer of this.#lists.keys()) if (!signers.includes(signer)) this.#lists.delete(signer);
    this.put();
  }

  /** Whether nobody with this key is listened to any more: what `peerOf` asks at every call. */
  readonly isRevoked = (key: KeyName): boolean => this.#revokedKeys.has(key);

  /** Lists that were to be replaced by now, and whose next ones may be held back. */
  overdue(now: Instant): readonly HeldList[] {
    return this.all.filter(({ list }) => isOverdue(list, now));
  }

  /** The same, as an operator is told of it. */
  concerns(now: Instant): string[] {
    return this.overdue(now).map(overdueConcern);
  }

  #isKey(kind: string, issuer: KeyName): boolean {
    return kind === "key" || (kind === "principal" && issuer === this.#self);
  }

  /** The documents, without those that whoever asks has. */
  documents(except: readonly DocumentId[] = []): string[] {
    return this.all.filter(({ id }) => !except.includes(id)).map(({ document }) => document);
  }
}

function numbered({ id, list }: HeldList) {
  return { id, number: list.number };
}
