import { Fault } from "#shared/model/errors.ts";

/**
 * How a call failed without an answer from the service.
 *
 * `refused`: no connection. `tls`: the connection could not be made secure. `wrong-peer`: somebody with another key is
 * there. Of these three the server knows nothing. After `timeout`, `broken` (the connection ended before the answer
 * did), `too-large` and `malformed` (not a proper answer) the call may have been carried out.
 */
export type TransportFailure =
  | "refused"
  | "tls"
  | "wrong-peer"
  | "timeout"
  | "broken"
  | "too-large"
  | "malformed";

/** A call that got no answer. `message` is a sentence for people; `cause` is what Node said. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly kind: TransportFailure;

  constructor(kind: TransportFailure, sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.kind = kind;
  }

  /** Whether the server may have done what was asked: look, or repeat the call under the same `request_id`. */
  get mayHaveHappened(): boolean {
    return this.kind !== "refused" && this.kind !== "tls" && this.kind !== "wrong-peer";
  }
}

/** A fault whose number is not in our table: a foreign server's, kept as it was sent. */
export class ForeignFault extends Error {
  override readonly name = "ForeignFault";
  readonly code: number;

  constructor(code: number, text: string) {
    super(text);
    this.code = code;
  }
}

/** What a call can fail with through no defect of the caller's. */
export type CallFailure = Fault | ForeignFault | TransportError;

/** Whether a call failed in a way that calls do, rather than by a defect of ours. */
export function isCallFailure(error: unknown): error is CallFailure {
  return error instanceof Fault || error instanceof ForeignFault || error instanceof TransportError;
}
