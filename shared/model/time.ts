import { Fault, refuseUnless } from "./errors.ts";

/** A moment in UTC, in whole seconds since 1970-01-01T00:00:00Z: the resolution of every document. */
export type Instant = number;

/** A half-open interval of UTC time, [start, end). Never empty. */
export type Term = { readonly start: Instant; readonly end: Instant };

/** Seconds by which two honest clocks may differ (v0.5's value). Applies to validity windows, never to terms. */
export const CLOCK_SLACK = 300;

const TEXT = /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/;

/** Reads `YYYY-MM-DD HH:MM:SS` (UTC). Anything that would not be written back the same is refused. */
export function parseInstant(text: string): Instant {
  const milliseconds = TEXT.test(text) ? Date.parse(`${text.replace(" ", "T")}Z`) : Number.NaN;
  const instant = milliseconds / 1000;
  if (Number.isNaN(instant) || formatInstant(instant) !== text) {
    throw new Fault("MALFORMED", `"${text.slice(0, 40)}" is not a time; write YYYY-MM-DD HH:MM:SS in UTC`);
  }
  return instant;
}

const YEAR_0 = Date.parse("0000-01-01T00:00:00Z") / 1000;
const YEAR_10000 = Date.parse("+010000-01-01T00:00:00Z") / 1000;

/** Writes an instant as `YYYY-MM-DD HH:MM:SS` (UTC). Throws MALFORMED for one that has no such text. */
export function formatInstant(instant: Instant): string {
  refuseUnless(
    Number.isInteger(instant) && instant >= YEAR_0 && instant < YEAR_10000,
    "MALFORMED",
    "a time is in whole seconds of the years 0 to 9999; choose one that is",
  );
  return new Date(instant * 1000).toISOString().slice(0, 19).replace("T", " ");
}

/** Makes a term, refusing an empty or inverted one. */
export function term(start: Instant, end: Instant, what = "term"): Term {
  refuseUnless(start < end, "MALFORMED", `the ${what} is empty: its end must be after its start`);
  return { start, end };
}

/** Whether all of `inner` lies within `outer`. */
export function contains(outer: Term, inner: Term): boolean {
  return outer.start <= inner.start && inner.end <= outer.end;
}

/** Whether two terms share an instant: those that only touch do not. */
export function overlaps(a: Term, b: Term): boolean {
  return a.start < b.end && b.start < a.end;
}

/** Whether an instant is of a term: its start is, its end is not. */
export function includes(interval: Term, instant: Instant): boolean {
  return interval.start <= instant && instant < interval.end;
}

const UNITS = [
  [86_400, "day"],
  [3_600, "hour"],
  [60, "minute"],
] as const;

/** A length of time as people say it, in the largest unit of which it has two, rounded down: "399 days", "90 minutes". */
export function formatLength(seconds: number): string {
  const [unit, name] = UNITS.find(([length]) => seconds >= 2 * length) ?? [1, "second"];
  const count = Math.floor(seconds / unit);
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}
