import type { SigningKey } from "#shared/identity/signature.ts";
import { formatPorts } from "#shared/model/ports.ts";
import { formatInstant } from "#shared/model/time.ts";
import { resourcesStruct } from "#shared/wire/resources-struct.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { sealAudit } from "../audit/sealing.ts";
import { type WhoDeps, whoHad } from "../flows/who.ts";
import { leaseOf, type StoredLease } from "../store/lease-rows.ts";
import type { Suspension } from "../store/suspension-rows.ts";
import type { Store } from "../store.ts";
import { OwnerActs, type OwnerDeps } from "./owner-acts.ts";
import type { OwnedLease, ownerApi } from "./owner-api.ts";

export type HandlerDeps = OwnerDeps & WhoDeps & { readonly key: SigningKey };

/** Thin handlers: each is one act or one look at the store. */
export function ownerHandlers(deps: HandlerDeps): Handlers<typeof ownerApi> {
  const { store } = deps;
  const acts = new OwnerActs(deps);
  const sealing = { store, key: deps.key, now: () => deps.time.now() };
  return {
    listleases: () => store.leases.all().map((lease) => ownedLease(store, lease)),
    listbans: () => store.bans.all().map((ban) => ({ ...ban, since: formatInstant(ban.since) })),
    suspend: ({ slice, reason = "" }) => done(acts.suspend(slice, reason)),
    resume: ({ slice }) => done(acts.resume(slice)),
    kill: ({ slice, reason = "" }) => done(acts.kill(slice, reason)),
    ban: ({ name, reason = "" }) => done(acts.ban(name, reason)),
    who: (question) => whoHad(deps, question),
    latestaudit: ({ limit }) => store.audit.latest(limit),
    getaudit: ({ after, limit }) => store.audit.chained(after, limit),
    getauditheads: ({ after, limit }) => {
      sealAudit(sealing);
      return store.audit
        .heads(after, limit)
        .map((head) => ({ ...head, signature: head.signature.toString("base64") }));
    },
    unban: ({ name }) => done(acts.unban(name)),
  };
}

async function done(act: Promise<void> | void): Promise<1> {
  await act;
  return 1;
}

function ownedLease(store: Store, stored: StoredLease): OwnedLease {
  const { slice, serial, principal, sliver, engine, state, term, renewableUntil, resources } = stored;
  const suspensions = store.suspensions.of(serial);
  return {
    ...{ slice, lease: serial, principal, members: store.members.of(serial), sliver, engine },
    state: state === "live" && suspensions.length > 0 ? "suspended" : state,
    start_time: formatInstant(term.start),
    end_time: formatInstant(term.end),
    renewable_until_time: formatInstant(renewableUntil),
    ...resourcesStruct(resources),
    ports: leaseOf(stored).ports.map(formatPorts),
    suspensions: suspensions.map(suspensionStruct),
  };
}

function suspensionStruct({ by, since, reason }: Suspension) {
  return { by, since: formatInstant(since), reason };
}
