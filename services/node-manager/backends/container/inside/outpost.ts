import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type Server, Socket } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { Fault } from "#shared/model/errors.ts";
import { readIfPresent } from "#shared/runtime/durable-file.ts";
import type { ListeningPort, SliverId } from "../../backend.ts";
import { isAlive, type ProcessName } from "../../machine/process.ts";
import { ENVIRONMENT } from "../../machine/program.ts";
import type { OutpostReply, OutpostRequest } from "./outpost-process.ts";

const PROGRAM = join(import.meta.dirname, "outpost-process.ts");
/** How long an outpost stays without being asked for anything. What it has handed over stays anyway. */
const IDLE_MILLISECONDS = 20_000;

type Pending = {
  readonly resolve: (given: [OutpostReply, Socket | Server | undefined]) => void;
  readonly reject: (error: unknown) => void;
};
type Question = OutpostRequest extends infer Request
  ? Request extends unknown
    ? Omit<Request, "request">
    : never
  : never;

/** The sliver an outpost stands in, and where what the node told it of names lies. */
export type OutpostPlace = { readonly id: SliverId; readonly seed: string };

/** The outposts of a node's slivers: at most one each. */
export class Outposts {
  readonly #outposts = new Map<SliverId, Outpost>();

  /** That of a running sliver, whose first process this is. */
  of(sliver: OutpostPlace, first: ProcessName): Outpost {
    const known = this.#outposts.get(sliver.id);
    if (known?.isAt(first)) return known;
    known?.end();
    const outpost = new Outpost(sliver, first);
    this.#outposts.set(sliver.id, outpost);
    return outpost;
  }

  /** Leaves a sliver: nothing of the node holds on to its network any more. */
  end(id: SliverId): void {
    this.#outposts.get(id)?.end();
    this.#outposts.delete(id);
  }
}

/**
 * A process of the node that stands in one sliver's network, opens connections and ports there, and hands them over. It
 * is there while it is needed; ending it ends what it has handed over too, since that keeps the network alive.
 */
class Outpost {
  readonly #sliver: OutpostPlace;
  readonly #first: ProcessName;
  readonly #pending = new Map<number, Pending>();
  readonly #open = new Set<{ close(): void }>();
  #child: ChildProcess | undefined;
  #requests = 0;
  #idle: NodeJS.Timeout | undefined;

  /** `first`: the sliver's first process, by which its network is found. */
  constructor(sliver: OutpostPlace, first: ProcessName) {
    this.#sliver = sliver;
    this.#first = first;
  }

  isAt(first: ProcessName): boolean {
    return this.#first.pid === first.pid && this.#first.started === first.started;
  }

  async connect(host: string, port: number): Promise<Duplex> {
    const [names, servers] = await Promise.all([namesOf(this.#sliver), nameServersOf(this.#sliver)]);
    const [, socket] = await this.#ask({ verb: "connect", host, port, servers, names });
    if (!(socket instanceof Socket)) throw new Fault("BACKEND_FAILED", "no connection came back; try again");
    socket.allowHalfOpen = true;
    this.#keep(socket, () => socket.destroy());
    return socket;
  }

  async listen(port: number): Promise<ListeningPort> {
    const [reply, given] = await this.#ask({ verb: "listen", port });
    const server = given as Server | undefined;
    if (!(server && reply.port)) throw new Fault("BACKEND_FAILED", "no port came back; try again");
    const closed = once(server, "close").then(() => undefined);
    this.#keep(server, () => server.close());
    return {
      port: reply.port,
      onConnection(take) {
        server.on("connection", (socket) => {
          socket.allowHalfOpen = true;
          socket.on("error", () => socket.destroy());
          take(socket, { address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 });
        });
      },
      close: () => server.close(),
      closed,
    };
  }

  /** Ends it and everything it has handed over. */
  end(): void {
    for (const open of this.#open) open.close();
    this.#leave();
  }

  #keep(handed: Socket | Server, close: () => void): void {
    const entry = { close };
    this.#open.add(entry);
    handed.once("close", () => this.#open.delete(entry));
  }

  async #ask(question: Question): Promise<[OutpostReply, Socket | Server | undefined]> {
    const request = ++this.#requests;
    const child = await this.#standing();
    clearTimeout(this.#idle);
    const answered = Promise.withResolvers<[OutpostReply, Socket | Server | undefined]>();
    this.#pending.set(request, answered);
    child.send({ ...question, request } satisfies OutpostRequest as OutpostRequest);
    try {
      const [reply, handed] = await answered.promise;
      if (reply.ok) return [reply, handed];
      throw new Fault("BACKEND_FAILED", `the sliver cannot do that: ${reply.code}`);
    } finally {
      this.#pending.delete(request);
      if (this.#pending.size === 0) {
        this.#idle = setTimeout(() => this.#leave(), IDLE_MILLISECONDS).unref();
      }
    }
  }

  async #standing(): Promise<ChildProcess> {
    if (this.#child) return this.#child;
    const network = `--net=/proc/${this.#first.pid}/ns/net`;
    const child = spawn("nsenter", [network, "--", process.execPath, PROGRAM], {
      env: ENVIRONMENT,
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      detached: true,
    });
    this.#child = child;
    child.on("message", (reply, handed) => {
      const { request } = reply as OutpostReply;
      this.#pending.get(request)?.resolve([reply as OutpostReply, handed as Socket | Server | undefined]);
    });
    const gone = (cause?: unknown) => this.#lost(child, cause);
    child.on("error", gone).once("exit", gone).once("disconnect", gone);
    // Whoever waits for an answer is served by somebody: this alone keeps no node manager from ending.
    child.unref();
    child.channel?.unref();
    // The process number may have become another's meanwhile, unless its owner lives on now.
    if (!(await isAlive(this.#first))) {
      this.#leave();
      throw new Fault("BACKEND_FAILED", "the sliver has ended");
    }
    return child;
  }

  #lost(child: ChildProcess, cause: unknown): void {
    if (this.#child === child) this.#child = undefined;
    const error = new Fault("BACKEND_FAILED", "the sliver's network was left", { cause });
    for (const { reject } of this.#pending.values()) reject(error);
  }

  /** It ends by itself when nobody is connected to it. */
  #leave(): void {
    clearTimeout(this.#idle);
    const child = this.#child;
    this.#child = undefined;
    if (child?.connected) child.disconnect();
  }
}

/*
 * Names are resolved by what the node has told the sliver: what the sliver's users make of those files on their own disk
 * is never read outside.
 */

async function nameServersOf(sliver: OutpostPlace): Promise<string[]> {
  const text = await seeded(sliver, "resolv.conf");
  return Array.from(text.matchAll(/^\s*nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/gm), ([, server]) => server!);
}

async function namesOf(sliver: OutpostPlace): Promise<Record<string, string[]>> {
  const addresses: Record<string, string[]> = {};
  for (const line of (await seeded(sliver, "hosts")).split("\n")) {
    const [address, ...names] = line.trim().split(/\s+/);
    for (const name of names) addresses[name] = [...(addresses[name] ?? []), address!];
  }
  return addresses;
}

async function seeded(sliver: OutpostPlace, file: string): Promise<string> {
  return ((await readIfPresent(join(sliver.seed, "etc", file))) ?? "").toString();
}
