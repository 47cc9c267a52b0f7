import koffi from "koffi";

/** What the kernel knows of how well its clock goes. It is the machine's, in whatever container or namespace one asks. */
export type ClockState = {
  /** Whether something keeps the clock right, and the kernel has not given it up since. */
  readonly synchronised: boolean;
  /** How wrong it is, as whatever keeps it right estimates, and at most, which grows until it is set right again. */
  readonly error?: { readonly estimatedMs: number; readonly maximumMs: number };
};

/*
 * struct timex of adjtimex(2), as every 64-bit Linux has it. Asking for no modes changes nothing and needs no rights.
 */
const TIMEX_BYTES = 208;
const MAXERROR_AT = 24;
const ESTERROR_AT = 32;
const TIME_ERROR = 5;

const adjtimex = koffi.load("libc.so.6").func("int adjtimex(void *timex)");

/** Undefined where it may not be asked, as in a stricter container. */
export function readClockState(): ClockState | undefined {
  const timex = Buffer.alloc(TIMEX_BYTES);
  return clockStateFrom(adjtimex(timex), timex);
}

/** What a call of adjtimex(2) returned and wrote, read. Of a clock that nobody keeps right, errors mean nothing. */
export function clockStateFrom(state: number, timex: Buffer): ClockState | undefined {
  if (state < 0) return undefined;
  if (state === TIME_ERROR) return { synchronised: false };
  const milliseconds = (at: number) => Number(timex.readBigInt64LE(at)) / 1000;
  const error = { estimatedMs: milliseconds(ESTERROR_AT), maximumMs: milliseconds(MAXERROR_AT) };
  return { synchronised: true, error };
}
