import { MAX_LISTED } from "#shared/wire/administration-api.ts";

/** A part of a list in the order of names, which is that of their characters. */
export function pageOf<T>(rows: readonly T[], name: (row: T) => string, after = "", limit = MAX_LISTED): T[] {
  const following = rows.filter((row) => name(row) > after);
  return following.toSorted((a, b) => (name(a) < name(b) ? -1 : 1)).slice(0, limit);
}
