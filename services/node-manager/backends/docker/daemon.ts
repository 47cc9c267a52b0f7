import { Agent, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { json, text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { Fault } from "#shared/model/errors.ts";

/** Where a Docker daemon is asked unless the node is told otherwise. */
export const DOCKER_SOCKET = "/var/run/docker.sock";

/** The versions of Docker's Engine API this speaks: Docker 20.10's, which has all that is used here, and later ones. */
const [EARLIEST, LATEST] = [41, 47] as const;
const PATIENCE_MILLISECONDS = 60_000;
/** A daemon that does not even say that it is there keeps a node manager from starting no longer than this. */
const PING_MILLISECONDS = 5_000;

/** What the daemon said when it refused: the cause inside a fault, never shown to a caller. */
class DockerRefusal extends Error {
  /** HTTP's status: 404 for what is not there, 409 for what cannot be done now, 304 for what is so already. */
  readonly status: number;

  constructor(what: string, status: number, message: string) {
    super(`${what}: ${status} ${message}`);
    this.status = status;
  }
}

/** One call of the Engine API. `purpose` completes "the docker engine could not …" for whoever it fails for. */
export type DockerCall = {
  readonly purpose: string;
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  /** Without the version. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON, or as it is if it is a stream. */
  readonly body?: object | Readable;
  readonly patienceMilliseconds?: number;
};

/** A Docker daemon behind a socket of this machine, spoken to by HTTP in a version that both sides know. */
export class Daemon {
  readonly #socket: string;
  readonly #version: number;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: 4 });

  private constructor(socket: string, version: number) {
    this.#socket = socket;
    this.#version = version;
  }

  /** Throws BACKEND_FAILED when no daemon answers there, or one that is too old. */
  static async find(socket: string): Promise<Daemon> {
    const ping = { path: "/_ping", patienceMilliseconds: PING_MILLISECONDS };
    const said = await new Daemon(socket, EARLIEST).#send("reach the daemon", ping, "");
    said.resume();
    const minor = Number(/^1\.(\d+)$/.exec(String(said.headers["api-version"] ?? ""))?.[1]);
    if (minor >= EARLIEST) return new Daemon(socket, Math.min(minor, LATEST));
    throw new Fault(
      "BACKEND_FAILED",
      `the Docker daemon speaks no API 1.${EARLIEST}; use Docker 20.10 or later`,
    );
  }

  /** The number after `1.` in the version spoken. */
  get version(): number {
    return this.#version;
  }

  /** The answer as JSON. Throws BACKEND_FAILED with a `DockerRefusal` as its cause when the daemon refuses. */
  async ask<T>({ purpose, ...call }: DockerCall): Promise<T> {
    return (await json(await this.#send(purpose, call))) as T;
  }

  /** The answer as text, once all of it is there. */
  async text({ purpose, ...call }: DockerCall): Promise<string> {
    return await text(await this.#send(purpose, call));
  }

  /** Throws away the answer, unless it is a refusal with a status other than those in `fine`; tells its status. */
  async tell(call: DockerCall, fine: readonly number[] = []): Promise<number> {
    const answer = await this.#send(call.purpose, call, undefined, fine);
    await answer.resume().toArray();
    return answer.statusCode!;
  }

  /** The answer as JSON, or undefined for what is not there (404). */
  async find<T>({ purpose, ...call }: DockerCall): Promise<T | undefined> {
    const answer = await this.#send(purpose, call, undefined, [404]);
    if (answer.statusCode !== 404) return (await json(answer)) as T;
    await answer.resume().toArray();
    return undefined;
  }

  /** Calls and goes on speaking over the connection itself, as `exec` does. Nothing was read from the socket yet. */
  async hijack({ purpose, path, body }: DockerCall): Promise<{ socket: Socket; head: Buffer }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ socket: Socket; head: Buffer }>();
    const sent = JSON.stringify(body ?? {});
    const headers = {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(sent),
      ...{ Connection: "Upgrade", Upgrade: "tcp" },
    };
    const where = { socketPath: this.#socket, path: this.#path(path), method: "POST", headers };
    // A connection of its own, of which each side may end its half.
    const call = request({ ...where, agent: false });
    call.once("upgrade", (_answer, socket: Socket, head) => resolve({ socket, head }));
    call.once("response", (answer) => {
      refusal(`POST ${path}`, answer).then((cause) => reject(failure(purpose, cause)), reject);
    });
    call.once("error", (cause) => reject(unreachable(cause)));
    call.end(sent);
    return promise;
  }

  async #send(
    purpose: string,
    { method = "GET", path, query, body, patienceMilliseconds }: Omit<DockerCall, "purpose">,
    version?: string,
    fine: readonly number[] = [],
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const signal = AbortSignal.timeout(patienceMilliseconds ?? PATIENCE_MILLISECONDS);
    const headers = body && {
      "Content-Type": body instanceof Readable ? "application/x-tar" : "application/json",
    };
    const search = query ? `?${new URLSearchParams(query)}` : "";
    const where = { socketPath: this.#socket, path: this.#path(path, version) + search, method, headers };
    const call = request({ ...where, signal, agent: body instanceof Readable ? false : this.#agent });
    call.once("response", resolve);
    call.on("error", (cause) => reject(unreachable(cause)));
    if (body instanceof Readable) pipeline(body, call).catch(reject);
    else call.end(body && JSON.stringify(body));
    const answer = await promise;
    const { statusCode: status = 0 } = answer;
    if (status < 300 || fine.includes(status)) return answer;
    throw failure(purpose, await refusal(`${method} ${path}`, answer));
  }

  #path(path: string, version = `/v1.${this.#version}`): string {
    return version + path;
  }
}

/** The status with which the daemon refused, if that is why `error` was thrown. */
export function refusedWith(error: unknown): number | undefined {
  const cause = error instanceof Fault ? error.cause : undefined;
  return cause instanceof DockerRefusal ? cause.status : undefined;
}

async function refusal(what: string, answer: IncomingMessage): Promise<DockerRefusal> {
  return new DockerRefusal(what, answer.statusCode ?? 0, (await text(answer)).trim().slice(0, 2000));
}

function failure(purpose: string, cause: DockerRefusal): Fault {
  return new Fault("BACKEND_FAILED", `the docker engine could not ${purpose}; try again`, { cause });
}

function unreachable(cause: unknown): Fault {
  return new Fault(
    "BACKEND_FAILED",
    "the Docker daemon does not answer; start it, or set docker_socket to the socket of one that runs",
    { cause },
  );
}
