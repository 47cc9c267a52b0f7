import { join } from "node:path";
import pLimit from "p-limit";
import { writeMonitorConfig } from "./configuration.ts";
import type { Layout } from "./layout.ts";
import { type MonitorPlace, type MonitorPlaces, targetOf } from "./monitor-places.ts";
import { Part } from "./parts/part.ts";
import type { ServiceCommand } from "./parts/service-process.ts";

/** A resource monitor that runs, or is about to. */
export type Monitor = {
  readonly place: MonitorPlace;
  readonly command: ServiceCommand;
  /** Absent until it serves. */
  readonly part?: Part;
};

/** The monitors of a testbed, the collecting one first. */
export type Monitors = AsyncDisposable & {
  readonly all: readonly Monitor[];
  /** Resolves when every one of them serves, or has failed to, which is told. */
  readonly started: Promise<void>;
  onEnd(tell: (name: string, how: string) => void): void;
  /** Starts those again that have ended, or never started; gives their names. */
  revive(): Promise<string[]>;
};

type Terms = {
  readonly places: MonitorPlaces;
  readonly layout: Layout;
  readonly progress: (line: string) => void;
};

/** One after the other: nothing in a testbed waits for them, and others are in more of a hurry. */
const STARTS_AT_ONCE = 1;

/** Begins to start a monitor of every node, which announces to the collecting one, and that one, and does not wait for them. */
export function startMonitors({ places, layout, progress }: Terms): Monitors {
  const { collector, nodes } = places;
  const to = [targetOf(collector)];
  const all: { -readonly [Name in keyof Monitor]: Monitor[Name] }[] = [collector, ...nodes].map((place) => ({
    place,
    command: serving(place, layout),
  }));
  const limit = pLimit(STARTS_AT_ONCE);
  let [ended, tell]: [boolean, ((name: string, how: string) => void) | undefined] = [false, undefined];

  async function start(monitor: (typeof all)[number]): Promise<string[]> {
    if (ended) return [];
    const { place, command } = monitor;
    await writeMonitorConfig(place, place === collector ? [] : to);
    monitor.part = await Part.start(command);
    if (tell) monitor.part.onEnd(tell);
    return [command.name];
  }

  async function startAll(): Promise<void> {
    const outcomes = await Promise.allSettled(all.map((monitor) => limit(start, monitor)));
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") progress((outcome.reason as Error).message);
    }
  }

  const started = startAll();
  return {
    all,
    started,
    onEnd(wanted) {
      tell = wanted;
      for (const { part } of all) part?.onEnd(wanted);
    },
    async revive() {
      await started;
      return (await Promise.all(all.map((one) => one.part?.revive() ?? start(one)))).flat();
    },
    async [Symbol.asyncDispose]() {
      ended = true;
      await started;
      await Promise.all(all.map(({ part }) => part?.[Symbol.asyncDispose]()));
    },
  };
}

function serving({ name, namespace, directory }: MonitorPlace, layout: Layout): ServiceCommand {
  const config = join(directory, "resource-monitor.toml");
  return {
    name: `resource monitor ${name}`,
    argv: ["services/resource-monitor/main.ts", "serve", "--config", config],
    namespace,
    patient: true,
    logFile: join(layout.logs, `monitor-${name}.log`),
  };
}
