import type { ChildProcess } from "node:child_process";
import type { Log } from "#shared/runtime/log.ts";
import type { SliverId } from "../backends/backend.ts";
import type { Engines } from "../engines/engines.ts";
import type { NodeTime } from "../node-time.ts";
import type { FlowRecords } from "../store/flow-records.ts";
import type { Store } from "../store.ts";
import type { Connection } from "./connection.ts";
import { Conntrack, type ConntrackCommand } from "./conntrack.ts";
import { flowsOf } from "./flow.ts";
import { FlowBudget } from "./flow-budget.ts";
import { KnownSlivers } from "./known-slivers.ts";

export type FlowWatchDeps = {
  readonly store: Pick<Store, "leases">;
  readonly engines: Engines;
  readonly records: FlowRecords;
  readonly time: Pick<NodeTime, "now">;
  readonly log: Log;
  /** The machine's own unless given. */
  readonly conntrack?: ConntrackCommand;
};

const EVERY_MILLISECONDS = 1_000;
/** Rounds after which what is old is forgotten, what was missed is looked for, and a watcher that ended started again. */
const SELDOM = 30;

/**
 * Watches the kernel's connections and writes down which slice has which. Begins when an engine's slivers are in the
 * node's own network, and as often as it was ended. What begins while nobody watches is found when somebody does again,
 * if it still goes on.
 */
export class FlowWatch implements Disposable {
  readonly #deps: FlowWatchDeps;
  readonly #conntrack: Conntrack;
  readonly #slivers: KnownSlivers;
  readonly #budget = new FlowBudget();
  readonly #timer: NodeJS.Timeout;
  readonly #seen: Connection[] = [];
  /** Connections that are recorded and go on. */
  readonly #open: Set<string>;
  #watcher: ChildProcess | undefined;
  #began = 0;
  #rounds = 0;
  #failing = false;
  #lost = false;
  #ended = false;

  constructor(deps: FlowWatchDeps) {
    this.#deps = deps;
    this.#conntrack = new Conntrack(deps.conntrack, deps.log);
    this.#slivers = new KnownSlivers(deps);
    this.#open = deps.records.goingOn();
    this.#slivers.look();
    this.#watch();
    this.#timer = setInterval(() => this.#round(), EVERY_MILLISECONDS);
  }

  /** Slivers whose connections are told apart now. */
  told(): ReadonlySet<SliverId> {
    return this.#slivers.ids();
  }

  /** Writes what was seen so far. What can't be written (the disk is full) is lost: nothing else waits for it. */
  flush(): void {
    try {
      this.#writeSeen();
      this.#lost = false;
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== "ERR_SQLITE_ERROR") throw err;
      if (!this.#lost) this.#deps.log.warn({ err }, "flows could not be recorded");
      this.#lost = true;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.flush();
    this.#ended = true;
    const child = this.#watcher;
    this.#watcher = undefined;
    child?.kill();
  }

  #round(): void {
    this.flush();
    this.#rounds += 1;
    // The first listing may have been over before the watcher heard anything; later ones find what it was too late for.
    if (this.#watcher && this.#rounds % SELDOM === 1) this.#list();
    if (this.#rounds % SELDOM === 0) this.#watch();
  }

  #writeSeen(): void {
    const { records, time } = this.#deps;
    const now = time.now();
    this.#slivers.look();
    const connections = this.#seen.splice(0);
    const seldom = this.#rounds % SELDOM === 0;
    records.together(() => {
      for (const connection of connections) this.#write(connection, now);
      if (this.#watcher) records.watched(this.#began, now);
      if (seldom) records.prune(now);
    });
    if (seldom) this.#budget.keep(this.#slivers.ids());
  }

  #write(connection: Connection, now: number): void {
    const { id, event } = connection;
    if (event === "destroy") {
      if (this.#open.delete(id)) this.#deps.records.end(id, now);
    } else if (!this.#open.has(id)) this.#begin(connection, now); // else listed, and told as new
  }

  #begin(connection: Connection, now: number): void {
    const { records } = this.#deps;
    for (const flow of flowsOf(connection, (address) => this.#slivers.at(address))) {
      const party = this.#slivers.party(flow.sliver);
      if (!party) continue;
      if (this.#budget.take(flow.sliver, now)) {
        this.#open.add(connection.id);
        records.begin(flow, party, connection.id, now);
      } else records.count(party, now - (now % 60));
    }
  }

  /** From the first event on nothing is missed: only then what there is already is listed. */
  #watch(): void {
    if (this.#watcher || !this.#slivers.tell()) return;
    const { time, log } = this.#deps;
    this.#began = time.now();
    const child = this.#conntrack.events((one) => this.#see(one));
    this.#watcher = child;
    child.once("close", (code) => {
      if (this.#watcher !== child) return;
      this.#watcher = undefined;
      if (!this.#failing)
        log.warn({ code }, "flows are not recorded: conntrack ended or can't be run; it is tried again");
      this.#failing = true;
    });
    this.#list();
  }

  #list(): void {
    const before = [...this.#open];
    const listed = new Set<string>();
    const found: Connection[] = [];
    const take = (one: Connection) => {
      if (!this.#slivers.concerns(one)) return;
      listed.add(one.id);
      found.push(one);
    };
    this.#conntrack.list(take).once("close", (code) => {
      if (code !== 0 || this.#ended) return;
      const gone = before.filter((id) => !listed.has(id));
      this.#seen.push(...found, ...gone.map((id): Connection => ({ ...NOTHING, id })));
    });
  }

  #see(connection: Connection): void {
    if (this.#slivers.concerns(connection)) this.#seen.push(connection);
  }
}

/** What is known of a connection that ended while nobody watched. */
const NOWHERE = { from: "", fromPort: 0, to: "", toPort: 0 };
const NOTHING = { event: "destroy", protocol: "tcp", original: NOWHERE, reply: NOWHERE } as const;
