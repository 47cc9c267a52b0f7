import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";

/**
 * The id under which something is done for somebody, from the first service it comes to through every one that takes
 * part: each writes it into its log. It is whatever the caller says and authorises nothing. (Kept beside what runs, not
 * passed: it decides nothing, and every line of a log is to have it.)
 */
const current = new AsyncLocalStorage<string>();

/** How requests carry it over HTTP. */
export const REQUEST_ID_HEADER = "x-request-id";

/** What is taken from a caller: nothing that a log or a terminal could mistake for something else. */
const WRITTEN = /^[\w.-]{1,64}$/;

export function newRequestId(): string {
  return randomBytes(6).toString("hex");
}

/** The id of what is being done now. Undefined: nobody asked for it. */
export function currentRequestId(): string | undefined {
  return current.getStore();
}

/** Does `work`, and all that it starts, under an id. */
export function withRequestId<T>(id: string, work: () => T): T {
  return current.run(id, work);
}

/** The id in a header, or a new one where there is none or not a proper one. */
export function requestIdFrom(header: string | readonly string[] | undefined): string {
  return typeof header === "string" && WRITTEN.test(header) ? header : newRequestId();
}
