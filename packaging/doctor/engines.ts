import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { type Probe, probeContainerEngine } from "#services/node-manager/backends/container/probe.ts";
import { Daemon, DOCKER_SOCKET } from "#services/node-manager/backends/docker/daemon.ts";
import { probeMicrovms } from "#services/node-manager/backends/microvm/probe.ts";
import { IMAGES_DIRECTORY } from "#services/node-manager/backends/open.ts";
import type { NodeManagerConfig } from "#services/node-manager/config.ts";
import { Fault } from "#shared/model/errors.ts";
import type { EngineName } from "#shared/model/ticket.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Report } from "./finding.ts";

/** What it means that a trial went well. */
const TRIED: Readonly<Record<EngineName, string>> = {
  simulated: "it needs nothing; there is nothing in its slivers",
  container: "a sliver was made and removed: programs, namespaces, id-mapped overlay, cgroups, nft, htb, ifb",
  microvm: "the machine has the programs it needs",
  docker: "the daemon answers",
};

/** Whether the machine, above all its kernel, has what each engine of the node needs: by trying, leaving nothing. */
export async function checkEngines(report: Report, config: NodeManagerConfig, clock: Clock): Promise<void> {
  const trials: Readonly<Record<EngineName, () => Promise<Probe>>> = {
    simulated: async () => ({ ok: true }),
    container: () =>
      probeContainerEngine({
        stateDirectory: nearest(config.state),
        imagesDirectory: config.imagesDirectory ?? IMAGES_DIRECTORY,
        now: clock.now,
      }),
    microvm: probeMicrovms,
    docker: () => probeDaemon(config.dockerSocket ?? DOCKER_SOCKET),
  };
  for (const engine of config.engines) {
    const probe = await trials[engine]();
    if (!probe.ok) {
      report.trouble(`engine ${engine}`, probe.reason, "mend that, or take the engine out of engines");
      continue;
    }
    report.well(`engine ${engine}`, TRIED[engine]);
    for (const note of probe.notes ?? []) {
      report.warning(`engine ${engine}`, note, "docs/guides/engines.md says what it costs and what mends it");
    }
  }
}

/** What there is of a path: a trial has to lie on the same file system, and must make nothing that stays. */
function nearest(path: string): string {
  return existsSync(path) ? path : nearest(dirname(path));
}

async function probeDaemon(socket: string): Promise<Probe> {
  try {
    await Daemon.find(socket);
    return { ok: true };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { ok: false, reason: error.sentence };
  }
}
