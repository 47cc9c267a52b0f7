import { Fault } from "#shared/model/errors.ts";
import { type CallFailure, ForeignFault } from "#shared/wire/xmlrpc/transport-error.ts";

/** The name under which a failure is shown: a fault's own, or what the network did. */
export function failureName(error: CallFailure): string {
  if (error instanceof Fault) return error.name;
  if (error instanceof ForeignFault) return `FAULT_${error.code}`;
  switch (error.kind) {
    case "timeout":
      return "TIMEOUT";
    case "refused":
    case "tls":
      return "UNREACHABLE";
    case "wrong-peer":
      return "WRONG_PEER";
    case "broken":
    case "too-large":
    case "malformed":
      return "BAD_ANSWER";
    default:
      return error.kind satisfies never;
  }
}

export function failureSentence(error: CallFailure): string {
  return error instanceof Fault ? error.sentence : error.message;
}
