import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { createLog, type Log } from "./log.ts";
import { NOTIFY_SOCKET, type Notice, watchdogInterval } from "./service-notice.ts";
import { startFailure } from "./start-failure.ts";

/** A started service: disposing of it ends it in order. */
export type Running = AsyncDisposable & {
  /** What others need to know to use it, such as the ports it chose. Announced once it serves. */
  readonly announce?: Readonly<Record<string, unknown>>;
};

/** What a service gets from the process it runs in. Tests give it their own. */
export type Host = {
  readonly log: Log;
  /**
   * Ends the process now, without another reply: for when what was promised can no longer be known to be stored
   * (RELIABILITY, "Order of writing"). The next start finds out.
   */
  readonly fail: (error: unknown) => never;
};

/** What `runService` writes to stdout, as one line of JSON, once the service serves. */
export type Announcement = { readonly ready: string; readonly pid: number } & Readonly<
  Record<string, unknown>
>;

/** Set to 1, a service also stops when its standard input ends: the pipe from a testbed breaks however that dies. */
export const EXIT_WITH_PARENT = "SLICELAB_EXIT_WITH_PARENT";

const LOG_LEVEL = "SLICELAB_LOG_LEVEL";
const FAILED = 70; // EX_SOFTWARE of sysexits.h
const STOP_MILLISECONDS = 20_000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs the service `name` until SIGINT, SIGTERM, SIGHUP or its parent's end, then disposes of it and lets the process
 * exit with 0. A start that fails is logged, in a sentence where an operator can mend it, and exits with 1; an error nobody caught, with 70. The same signal again, or
 * an ending that takes longer than 20 s, ends the process at once with 1. A service manager that gave it a
 * NOTIFY_SOCKET, as systemd does to units of Type=notify, is told that it is ready, that it lives, and that it stops.
 */
export async function runService(name: string, start: (host: Host) => Promise<Running>): Promise<void> {
  const log = createLog(name, { level: process.env[LOG_LEVEL] });
  const fail = (error: unknown): never => {
    log.fatal({ err: error }, "ending at once");
    process.exit(FAILED);
  };
  process.on("uncaughtException", fail);
  using stopping = watchForStop(log);
  try {
    using notices = await openNotices(log);
    await using service = await start({ log, fail });
    announce({ ready: name, pid: process.pid, ...service.announce });
    log.info(service.announce ?? {}, "ready");
    notices.ready();
    log.info({ because: await stopping.asked }, "stopping");
    notices.stopping();
  } catch (error) {
    const because = startFailure(error);
    if (because === undefined) log.fatal({ err: error }, "could not run");
    else log.fatal(`could not run: ${because}`);
    process.exitCode = 1;
    return;
  }
  log.info("stopped");
}

/** Notices that this process should end, and sees to it that it then does. */
function watchForStop(log: Log): Disposable & { readonly asked: Promise<string> } {
  const { promise: asked, resolve } = Promise.withResolvers<string>();
  const reasons = new Set<string>();
  function stop(reason: string): void {
    if (reasons.has(reason)) process.exit(1); // another reason is no impatience: a terminal and a parent both ask
    reasons.add(reason);
    resolve(reason);
    setTimeout(() => {
      log.fatal({ held: process.getActiveResourcesInfo() }, "did not stop in time");
      process.exit(1);
    }, STOP_MILLISECONDS).unref();
  }
  for (const signal of SIGNALS) process.on(signal, () => stop(signal));
  const watched = process.env[EXIT_WITH_PARENT] === "1" ? process.stdin : undefined;
  watched?.once("end", () => stop("its parent ended")).resume();
  const waiting = setInterval(() => undefined, 2 ** 30); // a service may wait for nothing but us
  return {
    asked,
    [Symbol.dispose]() {
      clearInterval(waiting);
      watched?.destroy();
    },
  };
}

type Notices = Disposable & { ready(): void; stopping(): void };

/** Whoever started this process, if it wants to be told. What this process starts is not to speak in its name. */
async function openNotices(log: Log): Promise<Notices> {
  const { [NOTIFY_SOCKET]: address } = process.env;
  delete process.env[NOTIFY_SOCKET];
  if (!address) return { ready() {}, stopping() {}, [Symbol.dispose]() {} };
  const { notifier } = await import("./notifier.ts");
  const notify = notifier(address);
  const tell = (...notices: Notice[]) => {
    const error = notify(...notices);
    if (error) log.warn({ error, socket: address }, "whoever started this service could not be told of it");
  };
  let beating: NodeJS.Timeout | undefined;
  return {
    ready() {
      tell("READY=1", "STATUS=serving");
      const interval = watchdogInterval(process.env, process.pid);
      if (interval !== undefined) beating = setInterval(tell, interval, "WATCHDOG=1").unref();
    },
    stopping: () => tell("STOPPING=1", "STATUS=stopping"),
    [Symbol.dispose]: () => clearInterval(beating),
  };
}

function announce(announcement: Announcement): void {
  process.stdout.write(`${JSON.stringify(announcement)}\n`);
}

/**
 * Waits for what a service started by us announces. `child` is a main.ts run by `runService`, its stdout a pipe.
 * Fails if it ends instead; what it had to say about that is in its log.
 */
export async function announcementOf(child: ChildProcess): Promise<Announcement> {
  if (!child.stdout) throw new TypeError("the service's standard output has to be a pipe");
  const lines = createInterface({ input: child.stdout }); // never closed: a full pipe would stop the service
  const { promise, resolve, reject } = Promise.withResolvers<Announcement>();
  lines.once("line", (line) => resolve(JSON.parse(line) as Announcement));
  lines.once("close", () => reject(new Error("a service ended before it was ready: its log says why")));
  return promise;
}
