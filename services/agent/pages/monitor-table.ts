import type { Instant } from "#shared/model/time.ts";
import { ago } from "#shared/web/age.ts";
import { note, toned } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import { type Table, table } from "#shared/web/table.ts";
import type { MonitorRecord } from "../store/monitors/monitors.ts";
import { isFailing } from "./fleet.ts";

/** The monitors this agent polls, and what came of it. */
export function monitorTable(monitors: readonly MonitorRecord[], now: Instant): Table {
  return table<MonitorRecord>({
    ...{ id: "monitors", title: "Monitors", empty: "This agent polls no monitor.", rows: monitors },
    columns: [
      { key: "monitor", title: "Monitor", value: ({ name }) => name },
      {
        ...{ key: "answer", title: "Last whole dump", time: true },
        value: ({ lastAnswer }) => lastAnswer ?? undefined,
        show: (monitor) => {
          const { lastAnswer, lastFailure, failure } = monitor;
          const failing = isFailing(monitor);
          const text = lastAnswer === null ? "never" : ago(now - lastAnswer);
          const why = failing ? `${ago(now - (lastFailure ?? now))}: ${failure ?? ""}` : "";
          return html`${toned(failing ? "bad" : "good", text)}${note(why)}`;
        },
      },
      { key: "hosts", title: "Hosts", value: ({ hosts }) => hosts ?? undefined },
      { key: "nodes", title: "Nodes among them", value: ({ nodes }) => nodes ?? undefined },
      { key: "failed", title: "Polls that failed", value: ({ failed }) => failed },
      { key: "polls", title: "Polls", value: ({ answered, failed }) => answered + failed },
    ],
  });
}
