import { saveConditions } from "#services/agent/store/monitors/conditions.ts";
import { sampleLiveness } from "#services/agent/store/monitors/liveness.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { FleetNode } from "../fleet.ts";

/** What is written down of a whole fleet, straight into the agent's books. */
export type FleetConditions = {
  /** As if a monitor had just told of every node, in one poll. */
  tell(at: number): Promise<number>;
  /** As a minute's sample of who is heard. */
  sample(at: number): Promise<number>;
};

export function fleetConditions(database: Database, fleet: readonly FleetNode[]): FleetConditions {
  return {
    tell: (at) => {
      const told = { monitored: at, measured: at, cpus: 4 };
      const found = fleet.map(({ ip }, index) => ({ ...told, ip, load: (index % 100) / 8 }));
      return saveConditions(database, { monitor: "test", polled: at }, found, at);
    },
    sample: (at) => sampleLiveness(database, at),
  };
}
