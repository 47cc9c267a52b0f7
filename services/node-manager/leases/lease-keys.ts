import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import { openLease } from "#shared/wire/lease-document.ts";
import type { Replay } from "#shared/wire/xmlrpc/replay.ts";
import type { NodeTime } from "../node-time.ts";
import type { SshKey } from "../ssh/gateway.ts";
import type { Tx } from "../store/database.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";
import { findLastingLease, type LeaseReference } from "./ownership.ts";

/** More keys than any slice needs, few enough that nobody fills the node's disk with them. */
const MAX_KEYS = 256;

export type LeaseKeysDeps = {
  readonly store: Store;
  readonly time: NodeTime;
  /** A slice has fewer keys than before: whoever entered with one of the others may not stay. */
  readonly onFewerKeys: (slice: string) => void;
};

/** Who asks, and how the answer is kept for the same call again. */
export type KeysRequest = { readonly peer: KeyName; readonly replay?: Replay };

/** A change of one lease's keys. Reads as in `SshKey`; never touches the sliver. */
type Change = (tx: Tx, lease: StoredLease) => void;

/** v0.5's second step after newlease: lets the slice's first key in. `leasedata` only says which lease is meant. */
export function enterVm(
  deps: LeaseKeysDeps,
  request: KeysRequest & { readonly leasedata: string; readonly key: SshKey; readonly nodeKey: PublicKey },
): 1 {
  const { serial, slice } = openLease(request.leasedata, request.nodeKey);
  const { peer, key } = request;
  return change(deps, request, { slice, lease_serial: serial }, (tx, lease) =>
    addKeyTo(deps.store, tx, { lease, key, peer, initial: true, at: deps.time.milliseconds() }),
  );
}

export function addKey(
  deps: LeaseKeysDeps,
  request: KeysRequest & { readonly of: LeaseReference; readonly key: SshKey },
): 1 {
  const { peer, key } = request;
  return change(deps, request, request.of, (tx, lease) =>
    addKeyTo(deps.store, tx, { lease, key, peer, initial: false, at: deps.time.milliseconds() }),
  );
}

/** Removes a key; one that is not there is removed already. */
export function removeKey(
  deps: LeaseKeysDeps,
  request: KeysRequest & { readonly of: LeaseReference; readonly key: SshKey },
): 1 {
  const done = change(deps, request, request.of, (tx, lease) => {
    deps.store.keys.remove(tx, lease.serial, request.key);
    audit(deps.store, tx, { lease, peer: request.peer, at: deps.time.milliseconds() }, "key removed");
  });
  deps.onFewerKeys(request.of.slice);
  return done;
}

/** Removes every key but those the virtual machine was made with, as v0.5 did. */
export function nukeKeys(deps: LeaseKeysDeps, request: KeysRequest & { readonly of: LeaseReference }): 1 {
  const done = change(deps, request, request.of, (tx, lease) => {
    deps.store.keys.nuke(tx, lease.serial);
    audit(deps.store, tx, { lease, peer: request.peer, at: deps.time.milliseconds() }, "keys removed");
  });
  deps.onFewerKeys(request.of.slice);
  return done;
}

export function hasKey(store: Store, serial: string, key: SshKey): boolean {
  return store.keys.ofLease(serial).some(({ type, blob }) => type === key.type && blob === key.blob);
}

type Addition = {
  readonly lease: StoredLease;
  readonly key: SshKey;
  readonly peer: KeyName;
  readonly initial: boolean;
  /** Milliseconds since 1970. */
  readonly at: number;
};

/** Lets a key in, in the caller's transaction. Throws QUOTA when there are too many. */
export function addKeyTo(store: Store, tx: Tx, addition: Addition): void {
  const { lease, key, initial, at, peer: by } = addition;
  const fits = hasKey(store, lease.serial, key) || store.keys.count(lease.serial) < MAX_KEYS;
  refuseUnless(fits, "QUOTA", `a slice has at most ${MAX_KEYS} SSH keys on a node; remove some first`);
  store.keys.add(tx, lease.serial, key, { initial, by, now: Math.floor(at / 1000) });
  audit(store, tx, addition, "key added");
}

function change(deps: LeaseKeysDeps, { peer, replay }: KeysRequest, of: LeaseReference, work: Change): 1 {
  return deps.store.transaction((tx) => {
    const lease = findLastingLease(deps.store, of, peer);
    work(tx, lease);
    replay?.remember(1, lease.renewableUntil, (kept) => deps.store.replies.keep(tx, kept));
    return 1;
  });
}

function audit(
  store: Store,
  tx: Tx,
  { lease, peer, at }: Pick<Addition, "lease" | "peer" | "at">,
  action: string,
): void {
  const { slice, serial } = lease;
  store.audit.record(tx, { atMilliseconds: at, peer, action, outcome: "done", slice, lease: serial });
}
