/**
 * The one error class of Slicelab and the one table of its faults (WIRE.md §3).
 *
 * A `Fault` is what a caller is told: a number an outside program can match, a name, and a sentence saying what
 * happened and what to do. Whatever caused it stays inside, in `cause`.
 */
export const FAULT_CODES = {
  MALFORMED: 100,
  TOO_LARGE: 101,
  NO_METHOD: 102,
  NO_CERTIFICATE: 200,
  CERTIFICATE_EXPIRED: 201,
  CERTIFICATE_REVOKED: 202,
  WEAK_KEY: 203,
  FOREIGN_CERTIFICATE: 204,
  NOT_PRINCIPAL: 300,
  NO_PRIVILEGE: 301,
  SUSPENDED: 302,
  QUOTA: 303,
  BAD_SIGNATURE: 400,
  UNKNOWN_KEY: 401,
  ALGORITHM_FORBIDDEN: 402,
  WRONG_TYPE: 403,
  WRONG_NODE: 404,
  NOT_YET_VALID: 405,
  EXPIRED: 406,
  ALREADY_REDEEMED: 407,
  REVOKED: 408,
  BAD_CHAIN: 409,
  NO_CAPACITY: 500,
  SLICE_EXISTS: 501,
  BAD_NAME: 502,
  RATE_LIMITED: 503,
  NO_SLICE: 504,
  STORE_DOWN: 600,
  BACKEND_FAILED: 601,
  CLOCK_UNSURE: 602,
  BUSY: 603,
} as const;

export type FaultName = keyof typeof FAULT_CODES;

const RETRYABLE: ReadonlySet<FaultName> = new Set([
  "RATE_LIMITED",
  "STORE_DOWN",
  "BACKEND_FAILED",
  "CLOCK_UNSURE",
  "BUSY",
]);

const NAMES = new Map<number, FaultName>(
  Object.entries(FAULT_CODES).map(([name, code]) => [code, name as FaultName]),
);

/** The name of a fault code, or undefined for a code that is not in the table (a foreign server's). */
export function faultName(code: number): FaultName | undefined {
  return NAMES.get(code);
}

/** A numbered refusal. `sentence` says what happened and what to do; it never carries paths, SQL or stacks. */
export class Fault extends Error {
  override readonly name: FaultName;
  readonly sentence: string;

  constructor(name: FaultName, sentence: string, options?: ErrorOptions) {
    super(`${name}: ${sentence}`, options);
    this.name = name;
    this.sentence = sentence;
  }

  get code(): number {
    return FAULT_CODES[this.name];
  }

  /** Whether the same call may succeed later without being changed. */
  get retryable(): boolean {
    return RETRYABLE.has(this.name);
  }
}

/**
 * Something on this machine that its operator must mend: a key file others can read, a directory that holds no
 * authority. Told in full, paths included, on the terminal or in the log; it has no number and is never sent to a caller.
 */
export class OperatorError extends Error {
  override readonly name = "OperatorError";
}

/** Throws a fault unless `condition` holds. Keeps rules on one line each. */
export function refuseUnless(condition: unknown, name: FaultName, sentence: string): asserts condition {
  if (!condition) throw new Fault(name, sentence);
}
