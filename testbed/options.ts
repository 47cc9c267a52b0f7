import type { TestbedEngine } from "./layout.ts";

/** What somebody who wants a testbed says. */
export type TestbedOptions = {
  readonly home: string;
  readonly nodes: number;
  readonly engine: TestbedEngine;
  /** Nodes let the agent hand out administrative slices. */
  readonly administrative: boolean;
  /** Also open v0.5's plain ports. */
  readonly plain: boolean;
  /** A resource monitor on every node, and one that collects what they tell, for the agent. */
  readonly monitors: boolean;
  /** With a broker, which people's commands ask first. */
  readonly broker: boolean;
  /** All ports chosen free, and any subnet, instead of only those that are taken. */
  readonly randomPorts: boolean;
  /** What is being done, for a person who waits. */
  readonly progress: (line: string) => void;
};
