import type { Instant } from "#shared/model/time.ts";
import { type Family, openMetrics } from "#shared/runtime/open-metrics.ts";
import type { NodesOverview } from "../store/inspection/overview.ts";
import type { MonitorRecord } from "../store/monitors/monitors.ts";

/** What an agent tells of its work in numbers. */
export type AgentNumbers = {
  readonly now: Instant;
  readonly nodes: NodesOverview;
  readonly monitors: readonly MonitorRecord[];
};

/** As OpenMetrics has them. docs/reference/agent-web.md describes them. */
export function agentMetrics({ now, nodes, monitors }: AgentNumbers): string {
  return openMetrics([
    {
      name: "slicelab_agent_nodes",
      type: "gauge",
      help: "Nodes this agent knows, by whether they report to it.",
      samples: Object.entries(nodes).map(([state, value]) => ({ label: ["state", state], value })),
    },
    ofMonitors("answers", "counter", "Polls that brought a whole dump.", monitors, (m) => m.answered),
    ofMonitors("failures", "counter", "Polls that failed.", monitors, (m) => m.failed),
    ofMonitors("hosts", "gauge", "Hosts in the last whole dump.", monitors, (m) => m.hosts),
    ofMonitors("nodes", "gauge", "Of those, nodes of this agent.", monitors, (m) => m.nodes),
    ofMonitors(
      "age_seconds",
      "gauge",
      "Seconds since a whole dump came.",
      monitors,
      ({ lastAnswer }) => lastAnswer && now - lastAnswer,
    ),
  ]);
}

/** What is not known of a monitor is left out. */
function ofMonitors(
  name: string,
  type: Family["type"],
  help: string,
  monitors: readonly MonitorRecord[],
  value: (monitor: MonitorRecord) => number | null,
): Family {
  const samples = monitors.flatMap((monitor) => {
    const number = value(monitor);
    return number === null ? [] : [{ label: ["monitor", monitor.name] as const, value: number }];
  });
  return { name: `slicelab_agent_monitor_${name}`, type, help, samples };
}
