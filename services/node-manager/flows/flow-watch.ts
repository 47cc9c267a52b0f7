import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Log } from "#shared/runtime/log.ts";
import type { SliverId } from "../backends/backend.ts";
import type { Engines } from "../engines/engines.ts";
import type { NodeTime } from "../node-time.ts";
import type { FlowParty, FlowRecords } from "../store/flow-records.ts";
import type { Store } from "../store.ts";
import { type Connection, readConnection } from "./connection.ts";
import { flowsOf } from "./flow.ts";
import { FlowBudget } from "./flow-budget.ts";

export type FlowWatchDeps = {
  readonly store: Pick<Store, "leases">;
  readonly engines: Engines;
  readonly records: FlowRecords;
  readonly time: Pick<NodeTime, "now">;
  readonly log: Log;
  /** What runs `conntrack` with the arguments that follow; the machine's own unless given. */
  readonly conntrack?: readonly [string, ...string[]];
};

/** Watches the kernel's connections and writes down which slice has which. */
export type FlowWatch = Disposable & {
  /** Writes what was seen so far. */
  flush(): void;
  /** Slivers whose connections are told apart now. */
  told(): ReadonlySet<SliverId>;
};

/** It ends with us, however we end: by itself it would notice only at the next connection of the machine. */
const CONNTRACK = ["setpriv", "--pdeathsig", "KILL", "conntrack"] as const;
const EVERY_MILLISECONDS = 1_000;
/** Rounds after which what is old is forgotten, what was missed is looked for, and a watcher that ended started again. */
const SELDOM = 30;
/** Bytes that the kernel may have ready for us: some ten thousand connections. */
const BUFFER = 8 * 1024 * 1024;

/**
 * Begins when an engine's slivers are in the node's own network, and as often as it was ended. What begins while nobody
 * watches is found when somebody does again, if it still goes on.
 */
export function startFlowWatch({ conntrack = CONNTRACK, ...deps }: FlowWatchDeps): FlowWatch {
  const { records, time, log } = deps;
  const seen: Connection[] = [];
  /** Connections that are recorded and go on. */
  const open = records.goingOn();
  const slivers = new KnownSlivers(deps);
  const budget = new FlowBudget();
  let watcher: ChildProcess | undefined;
  let began = 0;
  let rounds = 0;
  let failing = false;
  let ended = false;
  let lost = false;

  /** What can't be written (the disk is full) is lost: nothing else waits for it. */
  function flush(): void {
    try {
      writeSeen();
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== "ERR_SQLITE_ERROR") throw err;
      if (!lost) log.warn({ err }, "flows could not be recorded");
      lost = true;
    }
  }

  function writeSeen(): void {
    const now = time.now();
    slivers.look();
    const connections = seen.splice(0);
    records.together(() => {
      for (const connection of connections) write(connection, now);
      if (watcher) records.watched(began, now);
      if (rounds % SELDOM === 0) records.prune(now);
    });
    lost = false;
    if (rounds % SELDOM === 0) budget.keep(slivers.ids());
  }

  function write(connection: Connection, now: number): void {
    const { id, event } = connection;
    if (event === "destroy") {
      if (open.delete(id)) records.end(id, now);
      return;
    }
    if (open.has(id)) return; // listed, and told as new
    for (const flow of flowsOf(connection, (address) => slivers.at(address))) {
      const party = slivers.party(flow.sliver);
      if (!party) continue;
      if (budget.take(flow.sliver, now)) {
        open.add(id);
        records.begin(flow, party, id, now);
      } else records.count(party, now - (now % 60));
    }
  }

  /** From the first event on nothing is missed: only then what there is already is listed. */
  function watch(): void {
    if (watcher || !slivers.tell()) return;
    began = time.now();
    const child = run(["-E", "-e", "NEW,DESTROY", "-o", "id", "-b", String(BUFFER)], (one) => seen.push(one));
    watcher = child;
    child.once("close", (code) => {
      if (watcher !== child) return;
      watcher = undefined;
      if (!failing)
        log.warn({ code }, "flows are not recorded: conntrack ended or can't be run; it is tried again");
      failing = true;
    });
    list();
  }

  function list(): void {
    const before = [...open];
    const listed: Connection[] = [];
    run(["-L", "-o", "id"], (one) => listed.push(one)).once("close", (code) => {
      if (code !== 0 || ended) return;
      const now = new Set(listed.map(({ id }) => id));
      seen.push(...listed);
      const gone = before.filter((id) => !now.has(id));
      seen.push(...gone.map((id): Connection => ({ ...NOTHING, id })));
    });
  }

  function run(words: readonly string[], take: (connection: Connection) => void): ChildProcess {
    const [program, ...first] = conntrack;
    const child = spawn(program, [...first, ...words], { stdio: ["ignore", "pipe", "ignore"] });
    child.once("error", (err) => log.debug({ err }, "conntrack can't be run")); // "close" follows
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const connection = readConnection(line);
      if (connection && slivers.concerns(connection)) take(connection);
    });
    return child;
  }

  const timer = setInterval(() => {
    flush();
    rounds += 1;
    // The first listing may have been over before the watcher heard anything; later ones find what it was too late for.
    if (watcher && rounds % SELDOM === 1) list();
    if (rounds % SELDOM === 0) watch();
  }, EVERY_MILLISECONDS);
  slivers.look();
  watch();
  return {
    flush,
    told: () => slivers.ids(),
    [Symbol.dispose]() {
      clearInterval(timer);
      flush();
      ended = true;
      const child = watcher;
      watcher = undefined;
      child?.kill();
    },
  };
}

/** What is known of a connection that ended while nobody watched. */
const NOWHERE = { from: "", fromPort: 0, to: "", toPort: 0 };
const NOTHING = { event: "destroy", protocol: "tcp", original: NOWHERE, reply: NOWHERE } as const;

/** How long a sliver is known by an address that it has no more: news of it may come late. */
const REMEMBERED_SECONDS = 60;

/** Which sliver has which address now, or had it a moment ago, and whose it is. */
class KnownSlivers {
  readonly #deps: Pick<FlowWatchDeps, "store" | "engines" | "time">;
  readonly #byAddress = new Map<string, { sliver: SliverId; until: number }>();
  readonly #parties = new Map<SliverId, FlowParty>();

  constructor(deps: Pick<FlowWatchDeps, "store" | "engines" | "time">) {
    this.#deps = deps;
  }

  /** Whether any engine has its slivers in the node's own network. */
  tell(): boolean {
    return this.#deps.engines.some((engine) => engine.addresses?.() !== undefined);
  }

  look(): void {
    const { engines, store, time } = this.#deps;
    const now = time.now();
    for (const [address, { until }] of this.#byAddress) if (until < now) this.#byAddress.delete(address);
    for (const engine of engines) {
      for (const [address, sliver] of engine.addresses?.() ?? []) {
        this.#byAddress.set(address, { sliver, until: now + REMEMBERED_SECONDS });
        if (this.#parties.has(sliver)) continue;
        const lease = store.leases.ofSliver(sliver);
        if (lease)
          this.#parties.set(sliver, { slice: lease.slice, principal: lease.principal, lease: lease.serial });
      }
    }
    const living = this.ids();
    for (const sliver of this.#parties.keys()) if (!living.has(sliver)) this.#parties.delete(sliver);
  }

  at(address: string): SliverId | undefined {
    return this.#byAddress.get(address)?.sliver;
  }

  /** Cheap, since the machine's other connections are told too. Slivers' addresses are all in 10.128.0.0/9. */
  concerns({ original, reply }: Connection): boolean {
    return original.from.startsWith("10.") || reply.from.startsWith("10.");
  }

  party(sliver: SliverId): FlowParty | undefined {
    return this.#parties.get(sliver);
  }

  ids(): Set<SliverId> {
    return new Set([...this.#byAddress.values()].map(({ sliver }) => sliver));
  }
}
