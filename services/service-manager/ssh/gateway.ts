import { once } from "node:events";
import type { ClientChannel } from "ssh2";
import ssh2 from "ssh2";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { SshAccess } from "#shared/model/lease.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";

/** One command in a sliver. Its output is handed over as it comes; a consumer that is slow slows the command. */
export type RemoteCommand = {
  /** For the sliver's shell. */
  readonly command: string;
  readonly stdin?: Buffer;
  readonly stdout?: (chunk: Buffer) => void | Promise<void>;
  readonly stderr?: (chunk: Buffer) => void | Promise<void>;
};

/** A connection into one sliver. */
export type Gateway = Disposable & {
  /** Resolves with the exit code, 128 + n for a command that a signal ended. Throws TransportError. */
  run(command: RemoteCommand): Promise<number>;
};

/** How often a gateway is asked whether it is still there; the third silence in a row ends the connection. */
const ALIVE_MILLISECONDS = 15_000;
const HOST_KEY_TYPES = ["ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256", "ecdsa-sha2-nistp256"] as const;

/**
 * Connects to the ssh gateway of a node as a lease says: that address, that user, and only that host key.
 *
 * Throws NOT_PRINCIPAL when the key is not let in (any more), TransportError when nobody, or somebody else, is there.
 */
export async function openGateway(
  access: SshAccess,
  privateKey: string,
  { signal, deadlineMs }: { signal: AbortSignal; deadlineMs: number },
): Promise<Gateway> {
  const client = new ssh2.Client();
  const place = `${access.host}:${access.port}`;
  const stop = () => client.destroy();
  client.on("error", stop); // whenever it comes: its channels close then, and tell
  let wrongKey = false;
  const expected = hostKeyOf(access);
  client.connect({
    host: access.host,
    port: access.port,
    username: access.user,
    privateKey,
    readyTimeout: deadlineMs,
    keepaliveInterval: ALIVE_MILLISECONDS,
    algorithms: { serverHostKey: expected.algorithms },
    hostVerifier: (key: Buffer) => {
      wrongKey = !key.equals(expected.blob);
      return !wrongKey;
    },
  });
  client.setNoDelay(true);
  signal.addEventListener("abort", stop, { once: true });
  try {
    await once(client, "ready", { signal });
  } catch (cause) {
    client.destroy();
    signal.removeEventListener("abort", stop);
    signal.throwIfAborted();
    throw wrongKey
      ? new TransportError("wrong-peer", `${place} shows another ssh host key than the lease names`, {
          cause,
        })
      : refused(cause as SshError, place, deadlineMs);
  }
  return {
    run: (command) => run(client, command, place, signal),
    [Symbol.dispose]() {
      signal.removeEventListener("abort", stop);
      client.destroy();
    },
  };
}

type SshError = Error & { level?: string };

function hostKeyOf(access: SshAccess) {
  const [type = "", base64 = ""] = access.hostKey.split(" ");
  const algorithms = HOST_KEY_TYPES.filter(
    (name) => name === type || (type === "ssh-rsa" && name.startsWith("rsa-")),
  );
  refuseUnless(
    algorithms.length > 0,
    "WEAK_KEY",
    `the lease names an ssh host key of type ${type}, which is not accepted`,
  );
  return { algorithms: [...algorithms], blob: Buffer.from(base64, "base64") };
}

function refused(error: SshError, place: string, deadlineMs: number): Fault | TransportError {
  switch (error.level) {
    case "client-authentication":
      return new Fault(
        "NOT_PRINCIPAL",
        `${place} does not let the slice's key in; its lease may have ended there or be suspended: slice status says`,
        {
          cause: error,
        },
      );
    case "client-timeout":
      return new TransportError("timeout", `${place} did not let us in within ${deadlineMs} ms`, {
        cause: error,
      });
    default:
      return new TransportError("refused", `${place} cannot be reached by ssh (${error.message})`, {
        cause: error,
      });
  }
}

async function run(
  client: ssh2.Client,
  command: RemoteCommand,
  place: string,
  signal: AbortSignal,
): Promise<number> {
  const { channel, ended } = await openChannel(client, command.command, place);
  channel.end(command.stdin);
  const [code] = await Promise.all([
    ended,
    consume(channel, command.stdout),
    consume(channel.stderr, command.stderr),
  ]);
  signal.throwIfAborted();
  if (code !== undefined) return code;
  throw new TransportError("broken", `the connection to ${place} ended before the command did`);
}

/** A command that has begun. `ended`: its exit code, or undefined when its connection ended without one. */
type OpenChannel = { readonly channel: ClientChannel; readonly ended: Promise<number | undefined> };

function openChannel(client: ssh2.Client, command: string, place: string): Promise<OpenChannel> {
  const { promise, resolve, reject } = Promise.withResolvers<OpenChannel>();
  const broken = (why: string, cause?: unknown) =>
    reject(new TransportError("broken", `${place} ${why}`, { cause }));
  const gone = () => broken("ended the connection");
  client.once("close", gone);
  try {
    client.exec(command, (error, channel) => {
      client.off("close", gone);
      // Listened to at once: a short command has ended before anybody who waits for this hears of it.
      if (error) broken(`does not run commands (${error.message})`, error);
      else resolve({ channel, ended: endOf(channel) });
    });
  } catch (cause) {
    broken("is not connected any more", cause);
  }
  return promise;
}

function endOf(channel: ClientChannel): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  let code: number | undefined;
  channel.on("exit", (status: number | null, name?: string) => {
    code = status ?? 128 + signalNumber(name);
  });
  channel.on("close", () => resolve(code));
  return promise;
}

async function consume(stream: AsyncIterable<Buffer>, take: RemoteCommand["stdout"]): Promise<void> {
  for await (const chunk of stream) await take?.(chunk);
}

const SIGNALS: Record<string, number> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ABRT: 6,
  KILL: 9,
  SEGV: 11,
  PIPE: 13,
  TERM: 15,
};

function signalNumber(name: string | undefined): number {
  return SIGNALS[name?.replace(/^SIG/, "") ?? ""] ?? 1;
}
