import type { Family } from "#shared/runtime/open-metrics.ts";
import type { Tally } from "../store/acquisitions.ts";

/** What this process has done since it started. */
export type Work = Readonly<
  Record<"done" | "failed" | "lost" | "released" | "asked" | "spared" | "waiting", number>
>;

export function brokerFamilies(tally: Tally, work: Work): Family[] {
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
