import { formatLength, type Instant } from "#shared/model/time.ts";
import { ago } from "#shared/web/age.ts";
import { toned } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import type { Fact, Page } from "#shared/web/page.ts";
import { type Table, table } from "#shared/web/table.ts";
import type { AgentAddress } from "../pursuit/known-agents.ts";
import type { AcquisitionRecord, Tally } from "../store/acquisitions.ts";

/** What the pages and the metrics tell: how much there is, and of whom, never what a request says or who signed it. */
export type Overview = {
  readonly now: Instant;
  readonly broker: string;
  readonly version: string;
  readonly agents: readonly AgentAddress[];
  readonly tally: Tally;
  /** What the broker's operator should look after. */
  readonly concerns?: readonly string[];
};

export function overviewPage(overview: Overview, records: readonly AcquisitionRecord[]): Page {
  const { now, broker, version, agents, tally, concerns } = overview;
  return {
    title: "Slicelab broker",
    now,
    lead: html`<code>${broker}</code> · version ${version}`,
    notices: concerns,
    facts: [
      fact("working", "Acquisitions under way", tally.working),
      fact("done", "Done", tally.done),
      fact("failed", "Failed", tally.failed),
      fact("held", "Tickets held", tally.held),
      fact("unwanted", "Tickets to be given back", tally.unwanted),
      fact("doubtful", "Asks without an answer", tally.doubtful),
    ],
    parts: [acquisitionTable(records, now), agentTable(agents)],
  };
}

function fact(key: string, title: string, value: number): Fact {
  return { key, title, value };
}

export const TONES = { working: "plain", done: "good", failed: "bad" } as const;

/** Without ids and principals: whose they are is nobody else's business. */
function acquisitionTable(records: readonly AcquisitionRecord[], now: Instant): Table {
  return table({
    ...{ id: "acquisitions", title: "Acquisitions", empty: "No acquisition is remembered.", rows: records },
    columns: [
      {
        ...{ key: "begun", title: "Begun", time: true },
        value: ({ begun }) => begun,
        show: ({ begun }) => ago(now - begun),
      },
      {
        ...{ key: "state", title: "State" },
        value: ({ state }) => state,
        show: ({ state }) => toned(TONES[state], state),
      },
      {
        ...{ key: "seconds", title: "Took" },
        value: ({ begun, over }) => (over ?? now) - begun,
        show: ({ begun, over }) =>
          over === null ? `${formatLength(now - begun)} so far` : formatLength(over - begun),
      },
      { key: "wanted", title: "Nodes wanted", value: ({ wanted }) => wanted },
      { key: "standby", title: "Standbys", value: ({ standby }) => standby },
      { key: "held", title: "Tickets held", value: ({ held }) => held },
      { key: "fault", title: "Why it failed", value: ({ fault }) => fault ?? undefined },
    ],
  });
}

function agentTable(agents: readonly AgentAddress[]): Table {
  return table({
    ...{ id: "agents", title: "Agents it asks", empty: "It knows no agent.", rows: agents },
    columns: [
      {
        ...{ key: "identity", title: "Identity" },
        value: ({ identity }) => identity,
        show: ({ identity }) => html`<code>${identity}</code>`,
      },
      { key: "url", title: "Address", value: ({ url }) => url },
    ],
  });
}
