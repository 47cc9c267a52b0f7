import { limitAt, usedAt } from "#shared/model/account.ts";
import { SHARE_DIMENSIONS, type Share, type ShareDimension, unitOf } from "#shared/model/resources.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import type { SettlementState } from "../holdings/settlement.ts";
import type { NodeSelf } from "../listening.ts";
import type { SliverConditions } from "../slivers/sliver-conditions.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";
import { type Html, html } from "./html.ts";

export type OverviewDeps = {
  readonly store: Store;
  readonly conditions: SliverConditions;
  readonly self: NodeSelf;
  readonly engines: readonly EngineShown[];
  readonly capacity: Share;
  readonly now: () => Instant;
  readonly clockIsSure: () => boolean;
  readonly settlements: () => readonly SettlementState[];
};

type EngineShown = {
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
export function overviewPage(deps: OverviewDeps): string {
  const { engines } = deps;
  const { node, ip, version } = deps.self;
  const simulated = engines.filter((engine) => engine.simulated).map(({ engine }) => engine);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Node ${ip} · Slicelab</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header>
<h1>Node ${ip}</h1>
<p><code>${node}</code></p>
<p>${engines.map(({ engine, retired }) => html`<span class="tag">${engine}${retired ? " (retired)" : ""}</span> `)} version ${version} · ${when(deps.now())}</p>
${simulated.length > 0 ? notice("Slivers are simulated here: nothing real is made.") : undefined}
${engines.flatMap(({ engine, trouble }) => (trouble ? [notice(`The engine ${engine} does not work: ${trouble}.`)] : []))}
${engines.flatMap(({ engine, notes = [] }) => notes.map((note) => notice(`The engine ${engine}: ${note}.`)))}
${deps.clockIsSure() ? undefined : notice("The clock was set: nothing is issued or destroyed until it has been steady for ten minutes.")}
${deps.store.restored() ? notice("The store was restored: unknown machines are kept, never destroyed.") : undefined}
</header>
<main>
${capacitySection(deps)}
${leaseSection(deps)}
${imageSection(deps)}
${rootSection(deps)}
${outboxSection(deps)}
${quarantineSection(deps)}
</main>
<footer>Slicelab node manager. This page only shows; nothing can be changed here.</footer>
</body>
</html>
`;
  return page.text;
}

function capacitySection({ store, capacity, now }: OverviewDeps): Html {
  const at = now();
  const used = usedAt(store.charges.ofNode({ start: at, end: at + 1 }), at);
  return section(
    "Capacity",
    html`<dl class="meters">${SHARE_DIMENSIONS.map((dimension) => meter(dimension, used, capacity))}</dl>`,
  );
}

function meter(dimension: ShareDimension, used: Share, whole: Share): Html {
  const [part, all] = [used[dimension], whole[dimension]];
  return html`<div><dt>${unitOf(dimension)}</dt><dd><meter min="0" max="${Math.max(all, 1)}" value="${part}"></meter> <span>${part} of ${all}</span></dd></div>`;
}

function leaseSection({ store, conditions }: OverviewDeps): Html {
  const leases = store.leases.all();
  const heads = ["Slice", "State", "Sliver", "Engine", "Principal", "Resources", "Until", "Renewable until"];
  const rows = leases.map((lease) => leaseRow(lease, conditions.of(lease.serial)));
  return section("Leases", table(heads, rows, "Nothing is leased."), leases.length);
}

function leaseRow(lease: StoredLease, condition: { ready: boolean; reason: string } | undefined): Html {
  const { cpuMillis, memoryMib, diskMib, egressKbps } = lease.resources;
  const trouble =
    condition && !condition.ready ? html`<br><small class="bad">${condition.reason}</small>` : undefined;
  return row([
    html`<strong>${lease.slice}</strong>`,
    html`<span class="state ${lease.state}">${lease.state}</span>${trouble}`,
    html`<code>${lease.sliver}</code>`,
    lease.engine,
    key(lease.principal),
    `${cpuMillis} mcore · ${memoryMib} MiB · ${diskMib} MiB disk · ${egressKbps} kbit/s`,
    when(lease.term.end),
    when(lease.renewableUntil),
  ]);
}

/** What slivers made now begin with. Two engines may stand at different images of one name, if one began later. */
function imageSection({ engines }: OverviewDeps): Html {
  const rows = engines.flatMap(({ engine, images, imageDigests = {} }) =>
    images.map((image) => {
      const digest = imageDigests[image];
      return row([
        html`<strong>${image}</strong>`,
        engine,
        digest === undefined ? "" : key(digest.replace(/^sha256:/, "")),
      ]);
    }),
  );
  return section("Images", table(["Image", "Engine", "Digest"], rows, "No engine works."), rows.length);
}

function rootSection({ store, now }: OverviewDeps): Html {
  const roots = store.roots.all();
  const rows = roots.map(({ id, agent, signedAt, disownedAt }) => {
    const holding = store.holdings.find(id)!;
    const limit = limitAt([{ share: holding.share, during: holding.term }], now());
    const state =
      disownedAt !== undefined ? "disowned" : holding.closedAt !== undefined ? "closed" : "standing";
    return row([
      key(id),
      key(agent),
      html`<span class="state ${state}">${state}</span>`,
      `${limit.slivers} slivers · ${limit.cpuMillis} mcore · ${limit.memoryMib} MiB · ${limit.diskMib} MiB disk`,
      `${store.charges.beneath(id).length}`,
      when(signedAt),
      when(holding.term.end),
    ]);
  });
  const heads = ["Root ticket", "Agent", "State", "Share", "Leases beneath", "Signed", "Until"];
  return section("Roots", table(heads, rows, "No agent may hand out tickets for this node."), roots.length);
}

function outboxSection({ store, settlements }: OverviewDeps): Html {
  const rows = settlements().map(({ agent, settledAt, failure }) => {
    const waiting = store.outbox.waiting(agent);
    return row([
      key(agent),
      String(waiting.count),
      waiting.since === undefined ? "–" : when(waiting.since),
      settledAt === undefined ? "never" : when(Math.floor(settledAt / 1000)),
      failure === undefined ? "listens" : html`<span class="bad">${failure}</span>`,
    ]);
  });
  const heads = ["Agent", "Messages waiting", "Since", "Last told", "Now"];
  return section("Outbox", table(heads, rows, "There are no agents to tell anything."));
}

function quarantineSection({ store }: OverviewDeps): Html | undefined {
  const held = store.quarantine.all();
  if (held.length === 0) return undefined;
  const rows = held.map(({ sliver, engine, since }) =>
    row([html`<code>${sliver}</code>`, engine, when(since)]),
  );
  return section(
    "Quarantine: machines that no lease explains",
    table(["Machine", "Engine", "Since"], rows, ""),
  );
}

function section(title: string, content: Html, count?: number): Html {
  const number = count === undefined ? undefined : html` <span class="count">${count}</span>`;
  return html`<section><h2>${title}${number}</h2>${content}</section>`;
}

function table(heads: readonly string[], rows: readonly Html[], empty: string): Html {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  return html`<div class="scroll"><table><thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

function row(cells: readonly (Html | string)[]): Html {
  return html`<tr>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;
}

function notice(text: string): Html {
  return html`<p class="notice">${text}</p>`;
}

/** The beginning of a name of 64 digits, the whole of it on hovering. */
function key(name: string): Html {
  return html`<code title="${name}">${name.slice(0, 12)}…</code>`;
}

function when(at: Instant): string {
  return `${formatInstant(at)} UTC`;
}
