import { usedAt } from "#shared/model/account.ts";
import { SHARE_DIMENSIONS, type Share, unitOf } from "#shared/model/resources.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import { bar } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import type { Fact, Page } from "#shared/web/page.ts";
import type { SettlementState } from "../holdings/settlement.ts";
import type { NodeSelf } from "../listening.ts";
import type { SliverConditions } from "../slivers/sliver-conditions.ts";
import type { Store } from "../store.ts";
import { banTable, othersText } from "./bans.ts";
import { leaseCalendar } from "./calendar.ts";
import { imageTable, leaseTable, outboxTable, quarantineTable, rootTable } from "./tables.ts";

export type OverviewDeps = {
  readonly store: Store;
  readonly conditions: SliverConditions;
  readonly self: NodeSelf;
  readonly engines: readonly EngineShown[];
  readonly capacity: Share;
  readonly now: () => Instant;
  readonly clockIsSure: () => boolean;
  readonly settlements: () => readonly SettlementState[];
  /** What the node's operator should look after. */
  readonly concerns: () => readonly string[];
};

export type EngineShown = {
  readonly engine: string;
  readonly simulated: boolean;
  readonly images: readonly string[];
  readonly imageDigests?: Readonly<Record<string, string>>;
  readonly retired?: boolean;
  /** Why it does not work, as a sentence. */
  readonly trouble?: string;
  readonly notes?: readonly string[];
};

/** The node manager's page: what is leased here, on whose authority, and what agents must still be told. */
export function overviewPage(deps: OverviewDeps): Page {
  const { store, engines, self, settlements } = deps;
  const now = deps.now();
  const held = store.quarantine.all();
  const leases = store.leases.all();
  const bans = store.bans.all();
  return {
    title: `Node ${self.ip}`,
    now,
    lead: html`<code>${self.node}</code> · ${engines.map(({ engine, retired }) => html`<span class="tag">${engine}${retired ? " (retired)" : ""}</span> `)} · version ${self.version} · ${formatInstant(now)} UTC`,
    notices: noticesOf(deps),
    facts: capacityFacts(deps, now),
    parts: [
      leaseTable(leases, store, deps.conditions),
      leaseCalendar(leases, store, now),
      ...(bans.some(({ kind }) => kind === "slice") ? [banTable(bans)] : []),
      imageTable(engines),
      rootTable(store, now),
      outboxTable(store, settlements()),
      ...(held.length > 0 ? [quarantineTable(held)] : []),
    ],
  };
}

function noticesOf({ engines, clockIsSure, store, concerns }: OverviewDeps): string[] {
  const notices = [...concerns()];
  if (engines.some(({ simulated }) => simulated)) {
    notices.push("Slivers are simulated here: nothing real is made.");
  }
  for (const { engine, trouble } of engines) {
    if (trouble) notices.push(`The engine ${engine} does not work: ${trouble}.`);
  }
  for (const { engine, notes = [] } of engines) {
    notices.push(...notes.map((note) => `The engine ${engine}: ${note}.`));
  }
  if (!clockIsSure()) {
    notices.push(
      "The clock was set: nothing is issued or destroyed until it has been steady for ten minutes.",
    );
  }
  const principals = store.bans.all().filter(({ kind }) => kind === "principal").length;
  if (principals > 0) notices.push(othersText(principals));
  if (store.restored()) notices.push("The store was restored: unknown machines are kept, never destroyed.");
  return notices;
}

function capacityFacts({ store, capacity }: OverviewDeps, now: Instant): Fact[] {
  const used = usedAt(store.charges.ofNode({ start: now, end: now + 1 }), now);
  return SHARE_DIMENSIONS.map((dimension) => {
    const [part, whole] = [used[dimension], capacity[dimension]];
    const text = `${part} of ${whole}`;
    return {
      ...{ key: `used_${dimension}`, title: unitOf(dimension), value: text },
      show: html`${text}${bar(part, whole)}`,
    };
  });
}
