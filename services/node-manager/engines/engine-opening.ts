import { isIPv4 } from "node:net";
import { join } from "node:path";
import type { Identity } from "#shared/identity/identity.ts";
import { Fault } from "#shared/model/errors.ts";
import { ENGINES, type EngineName } from "#shared/model/ticket.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Log } from "#shared/runtime/log.ts";
import { LateBackend } from "../backends/late.ts";
import { openBackend } from "../backends/open.ts";
import type { NodeManagerConfig } from "../config.ts";
import type { Store } from "../store.ts";
import type { Engines } from "./engines.ts";

type OpeningNeeds = {
  readonly identity: Identity;
  readonly clock: Clock;
  readonly store: Store;
  readonly log?: Log;
};

/**
 * The engines a node is configured with, the usual one first, then those it is no longer configured with while slivers
 * of theirs live. One that can't be opened now keeps nobody from serving the slivers of the others, and is tried again;
 * where none can be, the last one's reason is thrown.
 */
export async function openEngines(config: NodeManagerConfig, needs: OpeningNeeds): Promise<Engines> {
  const { log } = needs;
  const retired = usedEngines(needs.store).filter((engine) => !config.engines.includes(engine));
  const engines: LateBackend[] = [];
  let works = false;
  let reason: unknown;
  for (const engine of [...config.engines, ...retired]) {
    const late = new LateBackend({
      engine,
      open: () => openBackend(engine, optionsOf(config, engine, needs)),
      retired: retired.includes(engine),
      onTrouble: (name, trouble) => {
        if (trouble) log?.warn({ engine: name, trouble }, "an engine does not work; it is tried again");
        else log?.info({ engine: name }, "an engine works");
      },
    });
    try {
      await late.open();
      works = true;
    } catch (error) {
      if (!(error instanceof Fault)) log?.warn({ engine, err: error }, "an engine can't be opened");
      reason = error;
    }
    engines.push(late);
  }
  if (!works) throw reason;
  return engines as [LateBackend, ...LateBackend[]];
}

/** By which engines there is anything on this node. */
function usedEngines({ leases, quarantine }: Store): EngineName[] {
  const used = new Set<string>([...leases.all(), ...quarantine.all()].map(({ engine }) => engine));
  return ENGINES.filter((engine) => used.has(engine));
}

function optionsOf(config: NodeManagerConfig, engine: EngineName, { identity, clock }: OpeningNeeds) {
  const { images, imageLimits, imagesDirectory, dockerSocket } = config;
  return {
    node: identity.name.slice(0, 8),
    stateDirectory: join(config.state, engine),
    images,
    imageLimits,
    imagesDirectory,
    egressKbps: config.capacity.egressKbps,
    diskMib: config.capacity.diskMib,
    address: hostAddress(config.host),
    dockerSocket,
    now: clock.now,
  };
}

/** Undefined where it listens on every address. */
function hostAddress(host: string): string | undefined {
  return isIPv4(host) && host !== "0.0.0.0" ? host : undefined;
}
