/** A connection of the kernel's table (conntrack), as TCP and UDP have them. */
export type Connection = {
  readonly event: "new" | "destroy";
  readonly protocol: "tcp" | "udp";
  /** As whoever began it sees it. */
  readonly original: Ends;
  /** As whoever answers sees it, the other way round: after translation. */
  readonly reply: Ends;
  readonly id: string;
};

export type Ends = {
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
};

const ENDS = "src=(\\S+) dst=(\\S+) sport=(\\d+) dport=(\\d+)";
const LINE = new RegExp(`^\\s*(?:\\[(NEW|DESTROY)\\]\\s+)?(tcp|udp)\\s.*?${ENDS}.*?${ENDS}.* id=(\\d+)`);

/**
 * Reads a line as `conntrack -E -o id` and `conntrack -L -o id` write them; a listed connection is new. Undefined for
 * every other line.
 */
export function readConnection(line: string): Connection | undefined {
  const [, event, protocol, ...rest] = LINE.exec(line) ?? [];
  if (protocol !== "tcp" && protocol !== "udp") return undefined;
  return {
    ...{ event: event === "DESTROY" ? "destroy" : "new", protocol, id: rest[8]! },
    original: ends(rest.slice(0, 4)),
    reply: ends(rest.slice(4, 8)),
  };
}

function ends([from, to, fromPort, toPort]: readonly string[]): Ends {
  return { from: from!, fromPort: Number(fromPort), to: to!, toPort: Number(toPort) };
}
