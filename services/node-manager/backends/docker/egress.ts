import { runProgram } from "../machine/program.ts";
import { type ContainerFacts, LABELS } from "./sliver-container.ts";

const LEAST_KBPS = 8;

/**
 * Holds what a sliver sends to its ceiling, from its own end of its link, where root inside has no capability to change
 * it. Twice is once. Nothing for a sliver without a ceiling, or in the node's own network.
 */
export async function limitEgress({ Config, State, HostConfig }: ContainerFacts): Promise<void> {
  const kbps = Number(Config.Labels[LABELS.egress] ?? Number.NaN);
  if (Number.isNaN(kbps) || HostConfig.NetworkMode === "host") return;
  const shape = ["tbf", "rate", `${Math.max(kbps, LEAST_KBPS)}kbit`, "burst", "32kb", "latency", "400ms"];
  const argv = ["tc", "qdisc", "replace", "dev", "eth0", "root", ...shape];
  await runProgram("limit the sliver's traffic", [
    "nsenter",
    `--net=/proc/${State.Pid}/ns/net`,
    "--",
    ...argv,
  ]);
}
