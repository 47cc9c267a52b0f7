import { limitAt } from "#shared/model/account.ts";
import type { Instant } from "#shared/model/time.ts";
import { note, type Tone, toned } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import { type Table, table } from "#shared/web/table.ts";
import type { SettlementState } from "../holdings/settlement.ts";
import type { SliverConditions } from "../slivers/sliver-conditions.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";
import { coded, keyed, resourceColumns, time } from "./columns.ts";
import { stateOf } from "./lease-state.ts";
import type { EngineShown } from "./overview.ts";

const LEASE_TONES: Readonly<Record<string, Tone>> = { live: "good", creating: "plain" };

/** Leases, and how they are; not whose, which is nobody else's business. */
export function leaseTable(
  leases: readonly StoredLease[],
  { suspensions }: Store,
  conditions: SliverConditions,
): Table {
  const stateNow = (lease: StoredLease) => stateOf(lease, suspensions);
  const reason = ({ serial }: StoredLease) => {
    const condition = conditions.of(serial);
    return condition && !condition.ready ? condition.reason : "";
  };
  return table<StoredLease>({
    ...{ id: "leases", title: "Leases", empty: "Nothing is leased.", rows: leases },
    columns: [
      { key: "slice", title: "Slice", value: ({ slice }) => slice },
      {
        ...{ key: "state", title: "State", value: stateNow },
        show: (lease) =>
          html`${toned(LEASE_TONES[stateNow(lease)] ?? "warn", stateNow(lease))}${note(reason(lease))}`,
      },
      coded("sliver", "Sliver", ({ sliver }) => sliver),
      { key: "engine", title: "Engine", value: ({ engine }) => engine },
      ...resourceColumns<StoredLease>(({ resources }) => resources),
      time("from", "From", ({ term }) => term.start),
      time("until", "Until", ({ term }) => term.end),
      time("renewable_until", "Renewable until", ({ renewableUntil }) => renewableUntil),
    ],
  });
}

type ShownImage = { readonly image: string; readonly engine: string; readonly digest?: string };

/** What slivers made now begin with. Two engines may stand at different images of one name, if one began later. */
export function imageTable(engines: readonly EngineShown[]): Table {
  const rows = engines.flatMap(({ engine, images, imageDigests = {} }) =>
    images.map((image): ShownImage => ({ image, engine, digest: imageDigests[image] })),
  );
  return table<ShownImage>({
    ...{ id: "images", title: "Images", empty: "No engine works.", rows },
    columns: [
      { key: "image", title: "Image", value: ({ image }) => image },
      { key: "engine", title: "Engine", value: ({ engine }) => engine },
      keyed("digest", "Digest", ({ digest }) => digest?.replace(/^sha256:/, "")),
    ],
  });
}

const ROOT_TONES: Readonly<Record<string, Tone>> = { standing: "good", closed: "warn", disowned: "bad" };

export function rootTable({ roots, holdings, charges }: Store, now: Instant): Table {
  const rows = roots.all().map((root) => {
    const holding = holdings.find(root.id)!;
    const kept = holding.closedAt !== undefined ? "closed" : "standing";
    return {
      ...{ ...root, end: holding.term.end, state: root.disownedAt !== undefined ? "disowned" : kept },
      limit: limitAt([{ share: holding.share, during: holding.term }], now),
      beneath: charges.beneath(root.id).length,
    };
  });
  return table<(typeof rows)[number]>({
    ...{ id: "roots", title: "Roots", empty: "No agent may hand out tickets for this node.", rows },
    columns: [
      keyed("root", "Root ticket", ({ id }) => id),
      keyed("agent", "Agent", ({ agent }) => agent),
      {
        ...{ key: "state", title: "State", value: ({ state }) => state },
        show: ({ state }) => toned(ROOT_TONES[state] ?? "plain", state),
      },
      { key: "slivers", title: "Slivers", value: ({ limit }) => limit.slivers },
      { key: "cpu_millis", title: "Processor (1/1000 core)", value: ({ limit }) => limit.cpuMillis },
      { key: "memory_mib", title: "Memory (MiB)", value: ({ limit }) => limit.memoryMib },
      { key: "disk_mib", title: "Disk (MiB)", value: ({ limit }) => limit.diskMib },
      { key: "beneath", title: "Leases beneath", value: ({ beneath }) => beneath },
      time("signed", "Signed", ({ signedAt }) => signedAt),
      time("until", "Until", ({ end }) => end),
    ],
  });
}

export function outboxTable({ outbox }: Store, settlements: readonly SettlementState[]): Table {
  const rows = settlements.map((state) => ({ ...state, waiting: outbox.waiting(state.agent) }));
  return table<(typeof rows)[number]>({
    ...{ id: "outbox", title: "Outbox", empty: "There are no agents to tell anything.", rows },
    columns: [
      keyed("agent", "Agent", ({ agent }) => agent),
      { key: "waiting", title: "Messages waiting", value: ({ waiting }) => waiting.count },
      time("since", "Since", ({ waiting }) => waiting.since),
      time("told", "Last told", ({ settledAt }) => settledAt && Math.floor(settledAt / 1000)),
      {
        ...{ key: "now", title: "Now", value: ({ failure }) => failure ?? "listens" },
        show: ({ failure }) => toned(failure ? "bad" : "good", failure ?? "listens"),
      },
    ],
  });
}

export function quarantineTable(held: ReturnType<Store["quarantine"]["all"]>): Table {
  return table<(typeof held)[number]>({
    ...{ id: "quarantine", title: "Quarantine: machines that no lease explains", empty: "", rows: held },
    columns: [
      coded("sliver", "Machine", ({ sliver }) => sliver),
      { key: "engine", title: "Engine", value: ({ engine }) => engine },
      time("since", "Since", ({ since }) => since),
    ],
  });
}
