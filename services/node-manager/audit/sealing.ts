import { type SigningKey, signBytes } from "#shared/identity/signature.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import { headBytes } from "#shared/wire/audit-chain.ts";
import type { Store } from "../store.ts";

export type SealingDeps = {
  readonly store: Pick<Store, "audit" | "transaction">;
  /** The node's identity. */
  readonly key: SigningKey;
  readonly now: () => Instant;
};

const EVERY_MILLISECONDS = 10_000;

/** Signs where the audit's chain stands, unless that is done. */
export function sealAudit({ store, key, now }: SealingDeps): void {
  const head = store.audit.head();
  if (head.position === 0 || store.audit.latestHead()?.position === head.position) return;
  const sealed = { ...head, sealed: formatInstant(now()), key: key.public.name };
  const signature = signBytes(key, headBytes(sealed));
  store.transaction((tx) => store.audit.addHead(tx, { ...sealed, signature }));
}

/** Does so every ten seconds, beside everything else, and once more at the end. */
export function startSealing(deps: SealingDeps): Disposable {
  const timer = setInterval(() => sealAudit(deps), EVERY_MILLISECONDS);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      sealAudit(deps);
    },
  };
}
