import { join } from "node:path";
import { probeContainerEngine } from "#services/node-manager/backends/container/probe.ts";
import { Daemon, DOCKER_SOCKET } from "#services/node-manager/backends/docker/daemon.ts";
import { probeMicrovms } from "#services/node-manager/backends/microvm/probe.ts";
import { IMAGES_DIRECTORY } from "#services/node-manager/backends/open.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import type { TestbedEngine } from "./layout.ts";

/** Whether real slivers can be made below `home`; if not, why, as the end of a sentence. */
export function canMakeContainers(home: string) {
  const clock = systemClock();
  return probeContainerEngine({
    stateDirectory: join(home, "probe"),
    imagesDirectory: IMAGES_DIRECTORY,
    now: () => clock.now(),
  });
}

/** The socket of the daemon that DOCKER_HOST names, as the docker command has it, or of the usual one. */
export function dockerSocket(host = process.env.DOCKER_HOST): string {
  if (!host) return DOCKER_SOCKET;
  const path = /^unix:\/\/(\/.*)$/.exec(host)?.[1];
  if (path) return path;
  throw new OperatorError(`DOCKER_HOST is ${host}, but nodes need a daemon of this machine: unix:///PATH`);
}

/** Throws OperatorError when the engine asked for cannot work here. */
export async function chooseEngine(engine: TestbedEngine, home: string): Promise<void> {
  if (engine === "simulated") return;
  const reason = await (engine === "docker" ? withoutDaemon() : without(engine, home));
  if (reason) throw new OperatorError(`--engine ${engine} does not work here: ${reason}`);
}

async function without(engine: "container" | "microvm", home: string): Promise<string | undefined> {
  const probe = await (engine === "container" ? canMakeContainers(home) : probeMicrovms());
  return probe.ok ? undefined : probe.reason;
}

async function withoutDaemon(): Promise<string | undefined> {
  try {
    await Daemon.find(dockerSocket());
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error.sentence;
    throw error;
  }
}
