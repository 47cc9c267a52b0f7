import { createPostgresBackend, Queue, runMigrations, Worker } from "bullmq";
import { Redis, type RedisOptions } from "ioredis";
import pg from "pg";
import type { Log } from "./log.ts";

/**
 * Where work is told of: a job is an id and nothing else, whoever takes it finds the rest in a database. Jobs are
 * nudges: a queue may lose all of them, so somebody has to look now and then for work that was never done
 * (RELIABILITY I12). Nothing here throws because a queue is away.
 */
export type JobQueue = AsyncDisposable & {
  /** Tells one of the processes at this queue of work. Whether the queue took it; told twice, it may be done once. */
  add(id: string): Promise<boolean>;
};

export type JobQueueOptions = {
  /** What is queued, in letters. Processes that share a queue share the name. */
  readonly name: string;
  /** A Redis, or else a PostgreSQL in which BullMQ keeps a schema of its own. */
  readonly on: { readonly redis: string } | { readonly postgres: string; readonly schema: string };
  /** Must itself see to it that work is done once: it may be told twice, and elsewhere at the same time. */
  readonly work: (id: string) => Promise<void>;
  /** How many jobs this process does at once. */
  readonly atOnce: number;
  readonly log: Log;
};

/** What is waited for an answer of the queue, and for its end. */
const PATIENCE_MILLISECONDS = 2_000;
const RECONNECT_MILLISECONDS = 1_000;
const CONNECTIONS = 4;
const QUIET_MILLISECONDS = 60_000;
const REMINDER_MILLISECONDS = 3_600_000;

/** Opens a queue, takes part in it until disposed of. Starts also where the queue cannot be reached. */
export async function openJobQueue(options: JobQueueOptions): Promise<JobQueue> {
  return "redis" in options.on
    ? await redisQueue(options, options.on.redis)
    : await postgresQueue(options, options.on);
}

/** Finished jobs are forgotten, so that the same id can be queued again. */
const FORGET = { removeOnComplete: true, removeOnFail: true } as const;

type Nudged = { readonly id?: string };

async function redisQueue(options: JobQueueOptions, url: string): Promise<JobQueue> {
  let leaving = false;
  const retryStrategy = () => (leaving ? null : RECONNECT_MILLISECONDS);
  // A producer fails soon while Redis is away; a worker waits for it, as BullMQ asks of workers' connections.
  const asking: RedisOptions = { retryStrategy, maxRetriesPerRequest: 1 };
  const connections = [new Redis(url, asking), new Redis(url, { retryStrategy, maxRetriesPerRequest: null })];
  const trouble = troubleLog(options);
  for (const connection of connections) connection.on("error", trouble.met);
  const [producing, taking] = connections as [Redis, Redis];
  const disconnect = () => {
    leaving = true; // also for the connections that BullMQ made of these
    for (const connection of connections) connection.disconnect();
  };
  function join(): JobQueue {
    const queue = new Queue(options.name, { connection: producing, skipWaitingForReady: true });
    const worker = new Worker(options.name, processor(options), {
      ...{ connection: taking, concurrency: options.atOnce, skipWaitingForReady: true },
    });
    const leave = () => {
      leaving = true;
      const away = producing.status !== "ready";
      if (away) disconnect();
      return away;
    };
    return joined(options, { queue, worker, trouble, disconnect, leave });
  }
  // BullMQ begins once and never again: begun while Redis is away, it would take no job ever after.
  let queue: JobQueue | undefined;
  const ready = Promise.withResolvers<void>();
  producing.once("ready", () => {
    if (!leaving) queue = join();
    ready.resolve();
  });
  await patiently(ready.promise).catch(trouble.met);
  return {
    add: async (id) => (await queue?.add(id)) ?? false,
    [Symbol.asyncDispose]: async () => (queue ? await queue[Symbol.asyncDispose]() : disconnect()),
  };
}

async function postgresQueue(
  options: JobQueueOptions,
  { postgres: connectionString, schema }: { readonly postgres: string; readonly schema: string },
): Promise<JobQueue> {
  await migrateQueue(connectionString, schema);
  const connection = { connectionString, schema, max: CONNECTIONS, keepAlive: true };
  const queue = new Queue(options.name, { connection: { ...connection, max: 2 } }, createPostgresBackend);
  const worker = new Worker(
    options.name,
    processor(options),
    { connection, concurrency: options.atOnce },
    createPostgresBackend,
  );
  return joined(options, { queue, worker, trouble: troubleLog(options) });
}

/** Makes the schema where it is not there. Any number of processes may do so at once. */
async function migrateQueue(connectionString: string, schema: string): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    await runMigrations(client, schema);
  } finally {
    await client.end();
  }
}

function processor({ work, log }: JobQueueOptions): (job: { readonly data: Nudged }) => Promise<void> {
  return async ({ data: { id } }) => {
    if (typeof id === "string") await work(id);
    else log.warn("a job in the queue names no work and is dropped");
  };
}

type Ends = {
  close(force?: boolean): Promise<void>;
  on(event: "error", listener: (error: Error) => void): unknown;
};
type Adds = { add(name: string, data: Nudged, options: object): Promise<unknown> };
type QueueEnds = {
  readonly queue: Ends & Adds;
  readonly worker: Ends;
  readonly trouble: Trouble;
  /** Begins the leaving; whether the queue is away. */
  readonly leave?: () => boolean;
  /** Ends connections that BullMQ was lent. */
  readonly disconnect?: () => void;
};

function joined(
  { name, log }: JobQueueOptions,
  { queue, worker, trouble, leave, disconnect }: QueueEnds,
): JobQueue {
  queue.on("error", trouble.met);
  worker.on("error", trouble.met);
  return {
    async add(id) {
      try {
        await patiently(queue.add(name, { id }, { jobId: id, ...FORGET }));
        trouble.over();
        return true;
      } catch (error) {
        trouble.met(error as Error);
        return false;
      }
    },
    async [Symbol.asyncDispose]() {
      // A queue that is away cannot be taken leave of: what waits for it is cut off.
      const closing = Promise.allSettled([worker.close(leave?.()), queue.close()]);
      await patiently(closing).catch((error) => log.debug({ err: error }, "left a queue without a word"));
      disconnect?.();
    },
  };
}

/** What a log is told of a queue that is away: that it is, once an hour while it is, and that it works again. */
type Trouble = { met(error: Error): void; over(): void };

/** A connection that is tried every second has much to say, and one that comes and goes: at most a line a minute. */
function troubleLog({ log, name }: JobQueueOptions): Trouble {
  let quietUntil = Number.NEGATIVE_INFINITY;
  let told = false;
  return {
    met(error) {
      if (performance.now() < quietUntil) return;
      quietUntil = performance.now() + REMINDER_MILLISECONDS;
      told = true;
      log.warn(
        { because: error.message, queue: name },
        "the queue is in trouble; its work is done without it",
      );
    },
    over() {
      if (!told) return;
      told = false;
      quietUntil = performance.now() + QUIET_MILLISECONDS;
      log.info({ queue: name }, "the queue works again");
    },
  };
}

async function patiently<T>(work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error("the queue did not answer in time")),
    PATIENCE_MILLISECONDS,
  );
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => undefined); // told already, or too late
  }
}
