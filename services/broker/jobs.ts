import pLimit from "p-limit";
import type { Database } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import { type JobQueue, openJobQueue } from "#shared/runtime/queue.ts";
import { withRequestId } from "#shared/runtime/request-context.ts";
import { startRounds } from "#shared/runtime/rounds.ts";
import type { Clearing } from "./pursuit/clearing.ts";
import type { Pursuit } from "./pursuit/pursuit.ts";
import { unclaimed } from "./store/acquisitions.ts";

/** The queue, and in PostgreSQL the schema it has to itself. */
const QUEUE = "slicelab-acquisitions";
export const QUEUE_SCHEMA = "broker_queue";

type Parts = {
  readonly database: Database;
  readonly pursuit: Pursuit;
  readonly clearing: Clearing;
  readonly on: Parameters<typeof openJobQueue>[0]["on"];
  readonly atOnce: number;
  readonly scanSeconds: number;
  /** Cuts off every call that is under way. */
  readonly stop: () => void;
  readonly log: Log;
};

/** More than this are not looked for at once: the next look finds the others. */
const FOUND_AT_ONCE = 100;

/**
 * Has acquisitions worked at: by whichever process the queue tells, and by whoever finds one that nobody works at. A
 * queue that loses everything costs one look.
 */
export class Jobs implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #running = new Map<string, Promise<void>>();
  readonly #owned = new AsyncDisposableStack();
  #queue: JobQueue | undefined;
  #ending = false;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#limit = pLimit(parts.atOnce);
  }

  static async start(parts: Parts): Promise<Jobs> {
    const jobs = new Jobs(parts);
    const { on, atOnce, scanSeconds, log } = parts;
    jobs.#queue = await openJobQueue({ name: QUEUE, on, atOnce, log, work: (id) => jobs.#work(id) });
    jobs.#owned.use(jobs.#queue);
    jobs.#owned.use(
      startRounds(() => jobs.scan(), {
        everyMs: scanSeconds * 1000,
        onFailure: (err) => log.warn({ err }, "a look for work failed and will be tried again"),
      }),
    );
    return jobs;
  }

  /** Has an acquisition worked at soon: at once, here, where the queue takes no jobs. Never fails. */
  async nudge(id: string): Promise<void> {
    this.#parts.log.debug({ acquisition: id }, "an acquisition is to be worked at");
    const taken = this.#queue !== undefined && (await this.#queue.add(id));
    if (!taken) await this.#work(id);
  }

  /** Works at what nobody works at and clears up, now. */
  async scan(): Promise<void> {
    const left = await unclaimed(this.#parts.database, FOUND_AT_ONCE);
    for (const id of left) void this.#work(id);
    await this.#parts.clearing.round();
  }

  /** Once at a time in this process; other processes are kept off by the claim. Never fails. */
  #work(id: string): Promise<void> {
    const running = this.#running.get(id);
    if (running) return running;
    const work = this.#limit(() => this.#attempt(id)).finally(() => this.#running.delete(id));
    this.#running.set(id, work);
    return work;
  }

  async #attempt(id: string): Promise<void> {
    if (this.#ending) return;
    try {
      // Whoever asked may be long gone, and this another process: its calls are known by the acquisition's own id.
      await withRequestId(id, () => this.#parts.pursuit.pursue(id));
    } catch (error) {
      if (this.#ending) return; // whoever looks next goes on
      this.#parts.log.warn({ err: error, id }, "work at an acquisition failed and will be tried again");
    }
  }

  /** What is being worked at stops where it is, as `stop` makes it: whoever looks next goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    this.#parts.stop();
    await Promise.all(this.#running.values());
    await this.#owned.disposeAsync();
  }
}
