import { type ClientRequest, type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import { keyOf, revokedServer } from "#shared/identity/tls.ts";
import { Fault } from "#shared/model/errors.ts";
import { REQUEST_ID_HEADER } from "#shared/runtime/request-context.ts";
import type { Connections, PinnedOptions } from "./connections.ts";
import { TransportError, type TransportFailure } from "./transport-error.ts";
import { REPLY_LIMITS } from "./value.ts";

/** Where calls are posted to, and whose key must be there. */
export type Target = {
  readonly url: URL;
  readonly connections: Connections;
  readonly expectedPeer?: KeyName;
  /** Told whose key answers, before the answer is read. */
  readonly onPeer?: (key: PublicKey) => void;
};

/** One message to be sent. */
export type Message = {
  readonly body: Buffer;
  readonly signal: AbortSignal;
  /** Being carried out twice is being carried out once. */
  readonly repeatable: boolean;
  /** Under which both sides write of it in their logs. */
  readonly requestId: string;
};

/** How far an exchange came: what an error means depends on it. */
type Phase = "connecting" | "handshaking" | "sent" | "answered";

/**
 * Posts one message and gives back the body of the answer. Nothing is written before the server's certificate, and its
 * key where one is expected, were checked. Throws TransportError, or the reason of `signal` as it is.
 *
 * A server may end a kept-alive connection at the moment it is used again: then a repeatable message is sent once more.
 */
export async function exchange(target: Target, message: Message): Promise<Buffer> {
  const request = open(target, message);
  const phase = sendWhenSecure(request, message.body, target);
  try {
    const response = await answerTo(request);
    phase.now = "answered";
    if (target.onPeer && response.socket instanceof TLSSocket) target.onPeer(keyOf(response.socket));
    return await bodyOf(response, target);
  } catch (error) {
    request.destroy();
    message.signal.throwIfAborted();
    if (phase.now === "sent" && request.reusedSocket && message.repeatable) return exchange(target, message);
    throw error instanceof TransportError ? error : failure(phase.now, error, target);
  }
}

function open(
  { url, connections, expectedPeer }: Target,
  { body, signal, requestId }: Message,
): ClientRequest {
  const secure = url.protocol === "https:";
  const options: PinnedOptions = {
    method: "POST",
    agent: secure ? connections.https : connections.http,
    headers: {
      "Content-Type": "text/xml",
      "Content-Length": body.length,
      "User-Agent": "slicelab",
      [REQUEST_ID_HEADER]: requestId,
    },
    signal,
    expectedPeer,
  };
  return secure ? requestSecure(url, options) : requestPlain(url, options);
}

/** Writes the request once its connection is ready for it, and says how far it came. */
function sendWhenSecure(request: ClientRequest, body: Buffer, target: Target): { now: Phase } {
  const phase: { now: Phase } = { now: "connecting" };
  const send = () => {
    phase.now = "sent";
    request.end(body);
  };
  const refuse = (socket: TLSSocket) => {
    phase.now = "handshaking";
    request.destroy(revokedServer(target.url.host, keyOf(socket).name));
  };
  request.once("socket", (socket: Socket) => {
    if (socket instanceof TLSSocket) {
      // Kept alive: it was checked when it was made, and its key may have been revoked since.
      if (socket.authorized) return isRevokedNow(socket, target) ? refuse(socket) : send();
      socket.once("connect", () => {
        phase.now = "handshaking";
      });
      socket.once("secureConnect", send);
    } else if (socket.connecting) socket.once("connect", send);
    else send();
  });
  return phase;
}

function isRevokedNow(socket: TLSSocket, { connections }: Target): boolean {
  return connections.isRevoked(keyOf(socket).name);
}

function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request.once("response", resolve);
  request.on("error", reject); // also after the answer has begun: then nobody waits for it any more
  return promise;
}

async function bodyOf(response: IncomingMessage, { url }: Target): Promise<Buffer> {
  const { statusCode, headers } = response;
  if (statusCode !== 200 || headers["content-encoding"] !== undefined) {
    throw new TransportError(
      "malformed",
      `${url.host} answered with HTTP ${statusCode}${headers["content-encoding"] ? ", encoded," : ""} and not in XML-RPC`,
    );
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > REPLY_LIMITS.maxBytes) {
      throw new TransportError(
        "too-large",
        `${url.host} answered with more than ${REPLY_LIMITS.maxBytes} bytes`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function failure(phase: Phase, cause: unknown, { url }: Target): TransportError {
  const [kind, sentence] = explained(phase, cause, url.host);
  return new TransportError(kind, sentence, { cause });
}

function explained(phase: Phase, cause: unknown, host: string): [TransportFailure, string] {
  const code = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
  switch (phase) {
    case "connecting":
      return ["refused", `${host} cannot be reached (${code})`];
    case "handshaking":
      return cause instanceof Fault
        ? ["wrong-peer", cause.sentence]
        : ["tls", `the connection to ${host} could not be made secure (${code})`];
    case "sent":
    case "answered":
      return ["broken", `the connection to ${host} ended before its answer did (${code})`];
    default:
      return phase satisfies never;
  }
}
