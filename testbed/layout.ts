import { createHash } from "node:crypto";
import { join } from "node:path";

/** The engines a testbed can make its nodes with. */
export const TESTBED_ENGINES = ["simulated", "container", "microvm", "docker"] as const;
export type TestbedEngine = (typeof TESTBED_ENGINES)[number];

/** Who is enrolled on every testbed, and as what. */
export const PEOPLE = [
  { name: "alice", role: "researcher" },
  { name: "bob", role: "researcher" },
  { name: "admin", role: "administrator" },
] as const;

/** Where everything of a testbed lies below its home. */
export function layoutOf(home: string) {
  return {
    home,
    lock: join(home, "lock"),
    authority: join(home, "authority"),
    postgres: join(home, "postgres"),
    logs: join(home, "logs"),
    agent: join(home, "agent"),
    broker: join(home, "broker"),
    collector: join(home, "collector"),
    node: (number: number) => join(home, "nodes", String(number)),
    principal: (name: string) => join(home, "principals", name),
    description: join(home, "testbed.json"),
    /** The addresses of its nodes, where they are hosts. */
    subnet: join(home, "subnet"),
    /** What its nodes were given of the machine. */
    capacity: join(home, "capacity.json"),
    /** Four hex digits that tell this testbed's network devices from another's on the same machine. */
    mark: createHash("sha256").update(home).digest("hex").slice(0, 4),
  };
}

export type Layout = ReturnType<typeof layoutOf>;
