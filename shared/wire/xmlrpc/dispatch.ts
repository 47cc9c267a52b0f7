import type { z } from "zod";
import type { Peer } from "#shared/identity/tls.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import { currentRequestId, newRequestId } from "#shared/runtime/request-context.ts";
import { type Contract, checked, type Frozen, type Method, onlyStruct } from "./contract.ts";
import { decodeCall } from "./decode.ts";
import { encodeFault, encodeResponse } from "./encode.ts";
import { introspect, methodOf } from "./introspection.ts";
import { AlreadyAnswered, Replay, type ReplyFinder } from "./replay.ts";
import type { Struct } from "./value.ts";

/** What a handler knows of a call besides its parameters. `peer` is null on the plain port, and for open methods. */
export type Call<P extends Peer | null = Peer | null> = {
  readonly peer: P;
  /** The address it came from; empty where that is not known. */
  readonly from: string;
  readonly method: string;
  readonly now: Instant;
  /** Whether there was no struct at all, which v0.5's methods tell from an empty one. */
  readonly bare: boolean;
  /** Present when the caller sent a `request_id`. */
  readonly replay?: Replay;
};

/** An answer encoded before, sent as it is: for one that many callers get unchanged. */
export class EncodedReply {
  readonly bytes: Buffer;
  constructor(result: unknown) {
    this.bytes = encodeResponse(result);
  }
}

type Answer<M extends Method> = Frozen<z.input<M["result"]>> | EncodedReply;

/** What a service does for each method of its contract. Refusals are thrown as `Fault`. */
export type Handlers<C extends Contract> = {
  readonly [N in keyof C]: (
    params: z.output<C[N]["params"]>,
    call: Call<C[N]["plain"] | C[N]["open"] extends false ? Peer : Peer | null>,
  ) => Answer<C[N]> | Promise<Answer<C[N]>>;
};

/** The operator's log: unexpected errors are told to it, never to the caller; and every call, where that is wanted. */
export type ServerLog = {
  error(facts: object, message: string): void;
  debug?(facts: object, message: string): void;
};

export type DispatchOptions = {
  readonly clock: { now(): Instant };
  readonly log: ServerLog;
  /** Required where a method mutates. */
  readonly replies?: ReplyFinder;
  /**
   * Told of every call that is refused, before its caller is: for audits that have to be durable by then. `method` is
   * empty where the call could not be read or names none of the contract's. If it fails, its own failure is answered.
   */
  readonly onRefusal?: (fault: Fault, call: { peer: Peer | null; method: string }) => void | Promise<void>;
};

/** Where a message came in. `from`: the address of its sender. */
export type Arrival = { readonly port: "tls" | "plain"; readonly from: string };

/** Turns one message into its answer. Never fails: whatever goes wrong is a numbered fault. */
export type Dispatch = (body: Buffer, peer: Peer | null, arrival?: Arrival) => Promise<Buffer>;

const UNKNOWN: Arrival = { port: "plain", from: "" };

export function dispatcher<C extends Contract>(
  api: C,
  handlers: Handlers<C>,
  options: DispatchOptions,
): Dispatch {
  const { replies, log, onRefusal } = options;
  if (!replies && Object.values(api).some((method) => method.mutates)) {
    throw new TypeError("a contract with mutating methods needs a place for its replies");
  }
  async function refusal(error: unknown, call: { peer: Peer | null; method: string }): Promise<Fault> {
    try {
      const fault = faultOf(error, log);
      await onRefusal?.(fault, call);
      return fault;
    } catch (failure) {
      return faultOf(failure, log);
    }
  }
  return async (body, peer, { port, from } = UNKNOWN) => {
    let known = "";
    try {
      const { method: name, params } = decodeCall(body);
      if (!peer && port === "tls") refuseUnless(api[name]?.open, "NO_CERTIFICATE", needsCertificate(name));
      if (name.startsWith("system.")) return encodeResponse(introspect(api, name, params));
      const method = methodOf(api, name);
      known = name;
      refuseUnless(peer || method.open || method.plain, "NO_CERTIFICATE", needsCertificate(name));
      const handler = handlers[name] as unknown as Handler;
      const call = { peer, from, method: name, now: options.clock.now(), bare: params.length === 0 };
      const reply = await perform(method, handler, onlyStruct(name, params), call, replies);
      log.debug?.({ method: known, peer: peer?.name, outcome: "ok" }, "answered a call");
      return reply;
    } catch (error) {
      const fault = await refusal(error, { peer, method: known });
      log.debug?.({ method: known, peer: peer?.name, outcome: fault.name }, "refused a call");
      return encodeFault(fault);
    }
  };
}

function needsCertificate(method: string): string {
  return `${method} needs your certificate; call it over TLS, with the certificate the authority issued to you`;
}

type Handler = (params: unknown, call: Call) => unknown;

async function perform(
  method: Method,
  handler: Handler,
  struct: Struct,
  call: Call,
  replies: ReplyFinder | undefined,
): Promise<Buffer> {
  if (!(replies && call.peer && method.mutates && "request_id" in struct)) {
    return encoded(await handler(checked(method.params, struct, call.method), call));
  }
  const { request_id: requestId, ...rest } = struct;
  refuseUnless(
    typeof requestId === "string" && requestId.length > 0 && requestId.length <= 64,
    "MALFORMED",
    `${call.method}: request_id must be a string of 1 to 64 characters`,
  );
  const params = checked(method.params, rest, call.method);
  const scope = { peer: call.peer.name, method: call.method, requestId };
  const replay = new Replay(replies, scope, rest, method.signed);
  const answered = await replay.answer();
  if (answered) return answered;
  try {
    const result = await handler(params, { ...call, replay });
    return replay.remembered ?? encoded(result);
  } catch (error) {
    const winner = error instanceof AlreadyAnswered ? await replay.answer() : undefined;
    if (winner) return winner;
    throw error;
  }
}

function encoded(result: unknown): Buffer {
  return result instanceof EncodedReply ? result.bytes : encodeResponse(result);
}

/**
 * The fault a caller is told. Anything but a Fault is logged under a reference, and only that is told: the id of the
 * request, under which the logs of all services that took part have it.
 */
export function faultOf(error: unknown, log: ServerLog): Fault {
  if (error instanceof Fault) return error;
  const reference = currentRequestId() ?? newRequestId();
  log.error({ err: error, reference }, "a call failed inside");
  return new Fault(
    "BACKEND_FAILED",
    `something failed inside; the operator's log has it under ${reference}; try again`,
  );
}
