import { readIfPresent } from "#shared/runtime/durable-file.ts";

/** Where a machine's resolver really is when /etc/resolv.conf names only a helper on its own loopback. */
const FILES = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"];
const SERVER = /^\s*nameserver\s+(\S+)\s*$/;
const LOOPBACK = /^(127\.|::1$)/;
/** Whom the C library asks when nobody is named (resolv.conf(5)). */
const UNNAMED = "127.0.0.1";

/** How a machine resolves names: whom it asks, and the rest of its resolv.conf. */
export type Resolution = {
  readonly servers: readonly string[];
  readonly rest: readonly string[];
  /** Present when the only servers are on the machine's own loopback: the IPv4 address of the first. */
  readonly loopback?: string;
};

/** Read anew each time, since machines change it as they move. */
export async function machineResolution(files: readonly string[] = FILES): Promise<Resolution> {
  let local: string | undefined;
  let last: readonly string[] = [];
  for (const file of files) {
    const lines = ((await readIfPresent(file)) ?? "").toString().trim().split("\n");
    const named = lines.map((line) => SERVER.exec(line)?.[1]).filter((server) => server !== undefined);
    const servers = named.filter((server) => !LOOPBACK.test(server));
    const rest = lines.filter((line) => !SERVER.test(line));
    if (servers.length > 0) return { servers, rest };
    if (lines.length > 1 || lines[0] !== "") last = rest;
    local ??= named.find((server) => server.startsWith("127."));
  }
  return { servers: [], rest: last, loopback: local ?? UNNAMED };
}

/** A sliver's resolv.conf. `node`: what answers inside for the machine's loopback. */
export function resolvConf({ servers, rest }: Resolution, node: string): string {
  const named = servers.length > 0 ? servers : [node];
  return `${[...rest, ...named.map((server) => `nameserver ${server}`)].filter((line) => line !== "").join("\n")}\n`;
}
