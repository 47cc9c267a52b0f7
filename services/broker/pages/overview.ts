import { formatInstant, type Instant } from "#shared/model/time.ts";
import type { Family } from "#shared/runtime/open-metrics.ts";
import type { AgentAddress } from "../pursuit/known-agents.ts";

/** What the page and the metrics tell: how much there is, and of whom, never what a request says. */
export type Overview = {
  readonly now: Instant;
  readonly broker: string;
  readonly version: string;
  readonly agents: readonly AgentAddress[];
  /** Acquisitions by state, tickets that are held or to be given back, asks without an answer: of all brokers here. */
  readonly tally: Readonly<Record<"working" | "done" | "failed" | "held" | "unwanted" | "doubtful", number>>;
  /** What this process has done since it started. */
  readonly work: Readonly<
    Record<"done" | "failed" | "lost" | "released" | "asked" | "spared" | "waiting", number>
  >;
};

export function overviewPage({ now, broker, version, agents, tally }: Overview): string {
  const rows = agents.map(
    ({ identity, url }) => `<tr><td><code>${identity}</code></td><td>${escaped(url)}</td></tr>`,
  );
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Slicelab broker</title>
</head>
<body>
<h1>Slicelab broker</h1>
<p><code>${broker}</code> · version ${escaped(version)} · ${formatInstant(now)} UTC</p>
<p>${tally.working} acquisitions under way, ${tally.done} done, ${tally.failed} failed;
${tally.held} tickets held, ${tally.unwanted} to be given back, ${tally.doubtful} asks without an answer.</p>
<h2>Agents it asks</h2>
<table><thead><tr><th>Identity</th><th>Address</th></tr></thead><tbody>${rows.join("")}</tbody></table>
<p><a href="/metrics">Metrics</a></p>
</body>
</html>
`;
}

export function overviewFamilies({ tally, work }: Overview): Family[] {
  const gauge = (name: string, help: string, value: number): Family => {
    return { name: `slicelab_broker_${name}`, type: "gauge", help, samples: [{ value }] };
  };
  const counter = (name: string, help: string, value: number): Family => {
    return { name: `slicelab_broker_${name}`, type: "counter", help, samples: [{ value }] };
  };
  return [
    {
      name: "slicelab_broker_acquisitions",
      type: "gauge",
      help: "Acquisitions that are remembered, by state, of all brokers on the database.",
      samples: (["working", "done", "failed"] as const).map((state) => {
        return { label: ["state", state] as const, value: tally[state] };
      }),
    },
    gauge("tickets_held", "Tickets that are their principals'.", tally.held),
    gauge("tickets_unwanted", "Tickets that their agents are to have back.", tally.unwanted),
    gauge("asks_doubtful", "Asks that an agent has not answered yet.", tally.doubtful),
    gauge("waiting", "Calls that wait for news here.", work.waiting),
    counter("acquired", "Acquisitions brought to a good end here.", work.done),
    counter("refused", "Acquisitions brought to a bad end here.", work.failed),
    counter("claims_lost", "Acquisitions that somebody else went on with.", work.lost),
    counter("tickets_released", "Tickets given back from here.", work.released),
    counter("ads_asked", "Times an agent was asked what it advertises.", work.asked),
    counter("ads_spared", "Times it did not have to be.", work.spared),
  ];
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
