import { isIP } from "node:net";

/**
 * Whether a request may be for pages that are served at `address` and known by `names`. Anybody can have a name of theirs
 * point here, and then a script of theirs would read what is here; so a name counts only if it is one of those, or
 * the one that always means this machine. Whoever asks for an address has asked the machine that has it.
 */
export function isOwnHost(header: string | undefined, address: string, names: readonly string[]): boolean {
  const host = header?.replace(/:\d+$/, "").toLowerCase();
  if (host === undefined) return false;
  if (host === address || host === "localhost" || names.includes(host)) return true;
  return isIP(host.replace(/^\[(.*)\]$/, "$1")) !== 0;
}
