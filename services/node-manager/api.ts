import type { EngineName } from "#shared/model/ticket.ts";
import { formatInstant, parseInstant } from "#shared/model/time.ts";
import type { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import type { Usage } from "./backends/backend.ts";
import { type CancellationDeps, cancelTickets } from "./holdings/cancellation.ts";
import { type StatementDeps, stateTickets } from "./holdings/statement.ts";
import { type DeletionDeps, deleteLease } from "./leases/deletion.ts";
import { addKey, enterVm, type LeaseKeysDeps, nukeKeys, removeKey } from "./leases/lease-keys.ts";
import { findLease, noSlice } from "./leases/ownership.ts";
import { type RedemptionDeps, redeem } from "./leases/redemption.ts";
import { type RenewalDeps, renew } from "./leases/renewal.ts";
import { type SliverStatus, type StatusDeps, statusOf } from "./leases/status.ts";
import { postRevocations, type RevocationDeps, tellRevocations } from "./revocation/posting.ts";
import { formatSshKey, parseSshKey } from "./ssh/keys.ts";
import { leaseOf } from "./store/lease-rows.ts";
import type { Store } from "./store.ts";

/** What `getconfig` answers. */
export type NodeDescription = Readonly<{
  port: number;
  sslport: number;
  httpport: number;
  sshport: number;
  node: string;
  ip: string;
  version: string;
  engines: EngineName[];
  simulated: boolean;
}>;

/** The use cases behind the methods, each with what it needs. */
export type ApiDeps = {
  readonly store: Store;
  /** Known once it listens. */
  readonly description: () => NodeDescription;
  readonly redemption: RedemptionDeps;
  readonly renewal: RenewalDeps;
  readonly deletion: DeletionDeps;
  readonly cancellation: CancellationDeps & StatementDeps;
  readonly keys: LeaseKeysDeps;
  readonly status: StatusDeps;
  readonly revocation: RevocationDeps;
};

/** The node manager's methods (WIRE.md §2): each translates its arguments and calls one use case. */
export function nodeManagerHandlers(deps: ApiDeps): Handlers<typeof nodeManagerApi> {
  const { store } = deps;
  const nodeKey = deps.redemption.identity.public;
  return {
    getconfig: () => deps.description(),
    getleases: () => store.leases.inState("live").map(({ document }) => document),
    getslivers: () => store.leases.inState("live").map(({ slice }) => slice),
    getprinciple: ({ slice }) => leaseOf(livingLease(store, slice)).principleSha1,
    getsshkeys: ({ slice }) => {
      const keys = store.keys.ofLease(livingLease(store, slice).serial).map(formatSshKey);
      return keys.length > 0 ? { numkeys: keys.length, keys } : { numkeys: 0 };
    },
    newlease: ({ ticketdata }, { peer }) => redeem(deps.redemption, { peer, ticketdata }),
    newleasevm: ({ ticketdata, publickey }, { peer }) =>
      redeem(deps.redemption, { peer, ticketdata, key: parseSshKey(publickey) }),
    newvm: ({ leasedata, publickey }, { peer, replay }) =>
      enterVm(deps.keys, { peer: peer.name, replay, leasedata, key: parseSshKey(publickey), nodeKey }),
    renewlease: ({ end_time, ticketdata, ...of }, { peer, replay }) => {
      const end = end_time === undefined ? undefined : parseInstant(end_time);
      return renew(deps.renewal, { peer, of, end, ticketdata, replay });
    },
    deletelease: (of, { peer, replay }) => deleteLease(deps.deletion, { peer: peer.name, of, replay }),
    canceltickets: ({ tickets }, { peer, replay }) =>
      cancelTickets(deps.cancellation, { peer: peer.name, tickets, replay }),
    statetickets: ({ tickets }, { peer }) => stateTickets(deps.cancellation, { peer: peer.name, tickets }),
    postrevocations: ({ list }, { peer }) => postRevocations(deps.revocation, { peer, list }),
    getrevocations: ({ since = [] }) => tellRevocations(deps.revocation, since),
    addkey: ({ key, ...of }, { peer, replay }) =>
      addKey(deps.keys, { peer: peer.name, replay, of, key: parseSshKey(key) }),
    delkey: ({ key, ...of }, { peer, replay }) =>
      removeKey(deps.keys, { peer: peer.name, replay, of, key: parseSshKey(key) }),
    nukekeys: (of, { peer, replay }) => nukeKeys(deps.keys, { peer: peer.name, replay, of }),
    getstatus: async ({ slice }, { peer }) => statusStruct(await statusOf(deps.status, slice, peer.name)),
  };
}

function livingLease(store: Store, slice: string) {
  const lease = findLease(store, { slice });
  if (lease.state !== "live") throw noSlice(slice);
  return lease;
}

function statusStruct({ term, renewableUntil, usage, conditions, ...status }: SliverStatus) {
  return {
    ...status,
    start_time: formatInstant(term.start),
    end_time: formatInstant(term.end),
    renewable_until_time: formatInstant(renewableUntil),
    ...(usage && { usage: usageStruct(usage) }),
    conditions: conditions.map(({ since, ...condition }) => ({ ...condition, since: formatInstant(since) })),
  };
}

/** Traffic is what an engine may not count. */
function usageStruct({ cpuMicroseconds, memoryBytes, processes, diskBytes, network }: Usage) {
  return {
    cpu_microseconds: cpuMicroseconds,
    memory_bytes: memoryBytes,
    processes,
    disk_bytes: diskBytes,
    ...(network && { network }),
  };
}
