import type { KeyName } from "#shared/identity/key.ts";
import type { Fault } from "#shared/model/errors.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import type { NodeTime } from "./node-time.ts";
import type { Store } from "./store.ts";

/**
 * Records a refusal of something that would have changed the node, before it is answered (RELIABILITY I7, I13): one
 * row, by whom and why. Questions change nothing and are not recorded; strangers don't get as far as this.
 */
export function auditOfRefusals({ store, time }: { readonly store: Store; readonly time: NodeTime }) {
  return (fault: Fault, { peer, method }: { peer: { name: KeyName } | null; method: string }): void => {
    const mutates = Object.entries(nodeManagerApi).some(
      ([name, { mutates: does }]) => name === method && does,
    );
    if (!peer || !mutates) return;
    const [atMilliseconds, outcome, note] = [time.milliseconds(), fault.name, fault.sentence];
    store.transaction((tx) =>
      store.audit.record(tx, { atMilliseconds, peer: peer.name, action: method, outcome, note }),
    );
  };
}
