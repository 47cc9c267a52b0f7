import type { z } from "zod";
import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import { Fault, faultName } from "#shared/model/errors.ts";
import { currentRequestId, newRequestId } from "#shared/runtime/request-context.ts";
import type { Connections } from "./connections.ts";
import { type Contract, checked, type Frozen, type Method } from "./contract.ts";
import { decodeResponse, type MethodResponse } from "./decode.ts";
import { encodeCall } from "./encode.ts";
import { exchange, type Target } from "./exchange.ts";
import { ForeignFault, TransportError } from "./transport-error.ts";

export type ClientOptions = {
  /** Of `/RPC2` on an `https:` address, or on an `http:` one for methods that ask for no certificate. */
  readonly url: string;
  /** Shared by all clients of one identity. */
  readonly connections: Connections;
  /** The name of the key that the server must hold. Without it, its certificate must carry its address. */
  readonly expectedPeer?: KeyName;
  /** Told, with every answer over TLS, the key of whoever gave it: verifies documents the peer signed. */
  readonly onPeer?: (key: PublicKey) => void;
  /** For one call from its first packet to the last byte of its answer, in milliseconds. */
  readonly timeoutMs?: number;
};

export type CallOptions = { readonly signal?: AbortSignal; readonly timeoutMs?: number };

/** Nothing, for zod, is a struct whose every member is impossible: `request_id` could not join it. */
type Members<M extends Method> = keyof M["params"]["shape"] extends never ? object : z.input<M["params"]>;

type Arguments<M extends Method> = Frozen<Members<M>> &
  (M["mutates"] extends true ? { readonly request_id?: string } : unknown);

type ClientMethod<M extends Method> =
  object extends Arguments<M>
    ? (params?: Arguments<M>, options?: CallOptions) => Promise<z.output<M["result"]>>
    : (params: Arguments<M>, options?: CallOptions) => Promise<z.output<M["result"]>>;

/** One function for every method of a contract. Called without parameters it sends none: not even an empty struct. */
export type XmlRpcClient<C extends Contract> = { readonly [N in keyof C]: ClientMethod<C[N]> };

const TIMEOUT_MS = 30_000;

/**
 * A client of one server. Each method resolves with what the contract promises, and rejects with the server's `Fault`
 * (`ForeignFault` for a number not in our table), with a `TransportError` where there was no proper answer, or with
 * the reason of the caller's own signal. Redirects are not followed. Holds nothing: dispose of `connections`.
 */
export function xmlRpcClient<C extends Contract>(api: C, options: ClientOptions): XmlRpcClient<C> {
  const { connections, expectedPeer, onPeer, timeoutMs = TIMEOUT_MS } = options;
  const target: Target = { url: new URL(options.url), connections, expectedPeer, onPeer };
  const methods = Object.entries(api).map(([name, method]) => [
    name,
    (params?: object, { signal, timeoutMs: ownMs }: CallOptions = {}) =>
      call(target, name, method, { params, signal, timeoutMs: ownMs ?? timeoutMs }),
  ]);
  return Object.fromEntries(methods);
}

type Invocation = { readonly params?: object; readonly signal?: AbortSignal; readonly timeoutMs: number };

async function call(target: Target, name: string, method: Method, invocation: Invocation): Promise<unknown> {
  const { params, signal, timeoutMs } = invocation;
  const body = encodeCall(name, params ? [params] : []);
  const repeatable = !method.mutates || (params !== undefined && "request_id" in params);
  const deadline = AbortSignal.timeout(timeoutMs);
  let reply: Buffer;
  try {
    const either = signal ? AbortSignal.any([signal, deadline]) : deadline;
    const requestId = currentRequestId() ?? newRequestId();
    reply = await exchange(target, { body, signal: either, repeatable, requestId });
  } catch (error) {
    if (error !== deadline.reason || !deadline.aborted) throw error;
    throw new TransportError("timeout", `${target.url.host} did not answer ${name} within ${timeoutMs} ms`);
  }
  return outcome(target.url.host, name, method, reply);
}

/** What an answer means. What is wrong with it is the server's fault, not this caller's. */
function outcome(host: string, name: string, method: Method, reply: Buffer): unknown {
  let response: MethodResponse;
  try {
    response = decodeResponse(reply);
    if ("value" in response) return checked(method.result, response.value, name);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new TransportError("malformed", `${host} answered ${name} improperly: ${error.sentence}`, {
      cause: error,
    });
  }
  throw asError(response.fault);
}

const LONGEST_SENTENCE = 2_000;

function asError({ code, text }: { code: number; text: string }): Fault | ForeignFault {
  const name = faultName(code);
  const told = text.slice(0, LONGEST_SENTENCE);
  if (!name) return new ForeignFault(code, told);
  return new Fault(name, told.startsWith(`${name}: `) ? told.slice(name.length + 2) : told);
}
