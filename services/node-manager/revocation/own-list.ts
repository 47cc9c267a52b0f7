import type { SigningKey } from "#shared/identity/signature.ts";
import { isToBeSignedAgain, type RevocationList, type Revoked } from "#shared/model/revocation.ts";
import { type HeldList, MAX_REVOKED, type NextList, signNextList } from "#shared/wire/revocation-document.ts";
import type { NodeTime } from "../node-time.ts";
import { heldList } from "../store/verification.ts";
import type { Store } from "../store.ts";

/** How long the node's own list is good for. */
const LIST_SECONDS = 7 * 86_400;

export type OwnListDeps = {
  readonly store: Store;
  readonly key: SigningKey;
  readonly time: Pick<NodeTime, "now" | "sure">;
};

/**
 * The node's own list of revocations: leases that its owner ended before their time, signed, so that whoever had one can
 * tell that from a node that lost it, and can show it to others. What ended because others revoked it stands in theirs.
 */
export class OwnList {
  readonly #deps: OwnListDeps;
  /** The latest, opened once: anybody may ask for it, as often as they like, and nobody else writes it. */
  #last: HeldList | undefined;

  constructor(deps: OwnListDeps) {
    this.#deps = deps;
  }

  /** As it is now, signed anew where it names others or half of its time is over. Undefined while it never named any. */
  current(): HeldList | undefined {
    const { store, time } = this.#deps;
    this.#last ??= this.#stored();
    const last = this.#last;
    if (!time.sure()) return last;
    const now = time.now();
    const endings = store.endings.all(now).toSorted((a, b) => b.since - a.since);
    const revoked = endings
      .slice(0, MAX_REVOKED)
      .map(({ lease, since }): Revoked => ({ kind: "lease", id: lease, since }));
    if (last ? !this.#isNews(last.list, revoked, now) : revoked.length === 0) return last;
    return this.#sign({ last: last?.list, at: now, seconds: LIST_SECONDS, revoked });
  }

  #stored(): HeldList | undefined {
    const { store, key } = this.#deps;
    const stored = store.revocations.of(key.public.name);
    return stored && heldList(stored);
  }

  #isNews(last: RevocationList, revoked: readonly Revoked[], now: number): boolean {
    const named = new Set(last.revoked.map(({ id }) => id));
    return revoked.some(({ id }) => !named.has(id)) || isToBeSignedAgain(last, now, LIST_SECONDS);
  }

  #sign(next: NextList): HeldList {
    const { store, key } = this.#deps;
    const opened = signNextList(key, "node", next);
    const { id, document, list } = opened;
    const { name: signer, spki } = key.public;
    const row = { signer, role: "node", id, number: list.number, key: spki, document } as const;
    store.transaction((tx) => {
      store.revocations.put(tx, row, next.at);
      store.endings.prune(tx, next.at);
    });
    this.#last = opened;
    return opened;
  }
}
