/**
 * Whether a request asks for the address that is listened on. Addresses, never names, except the one that always means
 * this machine: a name that was made to point here is another site's, whose scripts must not read what is here.
 */
export function isOwnHost(header: string | undefined, address: string): boolean {
  const host = header?.replace(/:\d+$/, "");
  if (host === address || host === `[${address}]` || host === "localhost") return true;
  if (address === "0.0.0.0") return host !== undefined && /^[\d.]+$/.test(host);
  return address === "::" && host !== undefined && /^(\[[\da-f:.]+\]|[\d.]+)$/i.test(host);
}
