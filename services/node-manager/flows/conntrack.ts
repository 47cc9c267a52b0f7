import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Log } from "#shared/runtime/log.ts";
import { type Connection, readConnection } from "./connection.ts";

/** What runs `conntrack` with the arguments that follow. */
export type ConntrackCommand = readonly [string, ...string[]];

/** It ends with us, however we end: by itself it would notice only at the next connection of the machine. */
const CONNTRACK: ConntrackCommand = ["setpriv", "--pdeathsig", "KILL", "conntrack"];

/** Bytes that the kernel may have ready for us: some ten thousand connections. */
const BUFFER = 8 * 1024 * 1024;

type Take = (connection: Connection) => void;

/** The kernel's connections, as `conntrack` tells them. */
export class Conntrack {
  readonly #command: ConntrackCommand;
  readonly #log: Log;

  constructor(command: ConntrackCommand | undefined, log: Log) {
    this.#command = command ?? CONNTRACK;
    this.#log = log;
  }

  /** Tells of connections that begin and end, until its process does. */
  events(take: Take): ChildProcess {
    return this.#run(["-E", "-e", "NEW,DESTROY", "-o", "id", "-b", String(BUFFER)], take);
  }

  /** Tells of those that there are. */
  list(take: Take): ChildProcess {
    return this.#run(["-L", "-o", "id"], take);
  }

  #run(words: readonly string[], take: Take): ChildProcess {
    const [program, ...first] = this.#command;
    const child = spawn(program, [...first, ...words], { stdio: ["ignore", "pipe", "ignore"] });
    child.once("error", (err) => this.#log.debug({ err }, "conntrack can't be run")); // "close" follows
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const connection = readConnection(line);
      if (connection) take(connection);
    });
    return child;
  }
}
