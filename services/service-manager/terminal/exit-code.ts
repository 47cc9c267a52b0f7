import { Fault, type FaultName } from "#shared/model/errors.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";

/** What the `slice` command ends with. Scripts rely on these numbers. */
export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  /** Some nodes did what was asked; what is missing is kept, and running the command again resumes. */
  partial: 3,
  notAllowed: 4,
  notFound: 5,
  noCapacity: 6,
  timeout: 124,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Which exit code a fault comes to when the whole command failed with it. */
const OF_FAULT: Record<FaultName, ExitCode> = {
  MALFORMED: EXIT.error,
  TOO_LARGE: EXIT.error,
  NO_METHOD: EXIT.error,
  NO_CERTIFICATE: EXIT.notAllowed,
  CERTIFICATE_EXPIRED: EXIT.notAllowed,
  CERTIFICATE_REVOKED: EXIT.notAllowed,
  WEAK_KEY: EXIT.notAllowed,
  FOREIGN_CERTIFICATE: EXIT.notAllowed,
  NOT_PRINCIPAL: EXIT.notAllowed,
  NO_PRIVILEGE: EXIT.notAllowed,
  SUSPENDED: EXIT.notAllowed,
  QUOTA: EXIT.notAllowed,
  BAD_SIGNATURE: EXIT.error,
  UNKNOWN_KEY: EXIT.error,
  ALGORITHM_FORBIDDEN: EXIT.error,
  WRONG_TYPE: EXIT.error,
  WRONG_NODE: EXIT.error,
  NOT_YET_VALID: EXIT.error,
  EXPIRED: EXIT.error,
  ALREADY_REDEEMED: EXIT.error,
  REVOKED: EXIT.notAllowed,
  BAD_CHAIN: EXIT.error,
  NO_CAPACITY: EXIT.noCapacity,
  SLICE_EXISTS: EXIT.error,
  BAD_NAME: EXIT.usage,
  RATE_LIMITED: EXIT.error,
  NO_SLICE: EXIT.notFound,
  STORE_DOWN: EXIT.error,
  BACKEND_FAILED: EXIT.error,
  CLOCK_UNSURE: EXIT.error,
  BUSY: EXIT.error,
};

/** The command line asked for something that makes no sense; told with a pointer to the help. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Somebody pressed Ctrl-C or asked the process to end. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";

  constructor() {
    super("interrupted; what was done is kept, and running the same command again resumes");
  }
}

/** What the process ends with when a command threw. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof Fault) return OF_FAULT[error.name];
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof Interrupted) return EXIT.interrupted;
  if (error instanceof TransportError) return error.kind === "timeout" ? EXIT.timeout : EXIT.error;
  return EXIT.error;
}

/**
 * What a command that worked on many nodes ends with: `partial` when some succeeded, else what the failures have in
 * common, and `error` when they have nothing in common.
 */
export function exitCodeOfMany(succeeded: number, failures: readonly unknown[]): ExitCode {
  if (failures.length === 0) return EXIT.ok;
  if (succeeded > 0) return EXIT.partial;
  const codes = new Set(failures.map(exitCodeOf));
  return codes.size === 1 ? [...codes][0]! : EXIT.error;
}
