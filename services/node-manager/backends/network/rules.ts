import type { PortRange } from "#shared/model/ports.ts";
import { type AddressBlock, type LinkFamily, VETHS } from "./address-block.ts";

/** What one sliver may raise alarms with (paper §3.3): packets a second, and how many at once. */
const ALARMS = {
  pings: { match: "ip protocol icmp", rate: 10, burst: 20 },
  options: { match: "ip hdrlength > 5", rate: 5, burst: 10 },
  protocols: { match: "ip protocol != { icmp, tcp, udp }", rate: 10, burst: 20 },
} as const;
/** Connections a sliver may begin by TCP. Only those beyond it raise an alarm. */
const BEGINNINGS = { rate: 500, burst: 1000 };
/** The most connections the kernel keeps of a sliver: those it began, and as many that others began to its ports. */
export const MOST_CONNECTIONS = 4096;

/** Sets that have an element for each sliver, which the kernel adds by itself. */
const SETS = [...Object.keys(ALARMS), "beginnings", "begun", "visits", "alarming"] as const;

export type RuleNeeds = {
  readonly block: AddressBlock;
  /** The machine's address under which people know the node; every address of the machine when absent. */
  readonly address?: string;
  /** The resolver on the machine's loopback that the slivers' questions go to. Absent: they reach theirs by themselves. */
  readonly resolver?: string;
  readonly connections: number;
};

/** The one nftables table a node has for an engine. */
export function tableName(node: string, { mark }: LinkFamily = VETHS): string {
  return `slicelab_${node}${mark}`;
}

/**
 * The node's rules, as a script for `nft -f -` that replaces them in one step and keeps what was counted.
 *
 * - A packet from a sliver must come from the address that is routed to its own veth: nobody speaks for another.
 * - Slivers speak IPv4 only, until they are given other addresses.
 * - Packets that raise alarms are counted, and those beyond a small rate dropped.
 * - The kernel keeps so many connections of a sliver and no more: none fills the table of all.
 * - Nothing is forwarded to a sliver but answers, and what came to a port of the node that is the sliver's; nothing to
 *   link-local addresses, where clouds answer to whoever asks with the machine's own credentials.
 * - Of the machine itself a sliver reaches the node's address alone, as an outsider does.
 * - What leaves the node leaves under the node's address; so does what goes to a port of the node.
 */
export function rules(table: string, needs: RuleNeeds): string {
  const { block, address, resolver, connections } = needs;
  const slivers = `"${block.linkPrefix}*"`;
  const [own, others] = address
    ? [`ip daddr ${address}`, `ip daddr != ${address}`]
    : [`ip daddr != { 127.0.0.0/8, ${block.gateway} }`, `ip daddr { 127.0.0.0/8, ${block.gateway} }`];
  const toPort = `fib daddr type local ${own} dnat ip to meta l4proto . th dport map @ports`;
  const names = resolver
    ? `iifname ${slivers} ip daddr ${block.gateway} meta l4proto { tcp, udp } th dport 53 dnat ip to ${resolver}`
    : "";
  return `table inet ${table}
flush table inet ${table}
table inet ${table} {
${SETS.map((name) => perSliver(name)).join("\n")}
  map ports { type inet_proto . inet_service : ipv4_addr; flags interval; }
  chain arriving {
    type filter hook prerouting priority raw; policy accept;
    iifname ${slivers} jump sent
  }
  chain sent {
    meta protocol != ip drop
    fib saddr . iif oif 0 drop
    ip daddr 127.0.0.0/8 drop
${Object.keys(ALARMS)
  .map((name) => `    ${ALARMS[name as keyof typeof ALARMS].match} goto ${name}`)
  .join("\n")}
    tcp flags & (fin | syn | rst | ack) == syn ${over("beginnings", BEGINNINGS)} goto alarm
  }
${Object.keys(ALARMS)
  .map((name) => alarmChain(name as keyof typeof ALARMS))
  .join("\n")}
  chain alarm { update @alarming { ip saddr counter } drop; }
  chain beginning {
    type filter hook prerouting priority mangle; policy accept;
    iifname ${slivers} ct state new ct status ! confirmed add @begun { ip saddr ct count over ${connections} } drop
  }
  chain ported {
    type nat hook prerouting priority dstnat; policy accept;
    ${names}
    ${toPort}
  }
  chain ported_here {
    type nat hook output priority -100; policy accept;
    ${toPort}
  }
  chain answered {
    type nat hook input priority 100; policy accept;
    iifname ${slivers} ip daddr 127.0.0.0/8 snat ip to 127.0.0.1
  }
  chain received {
    type filter hook input priority filter; policy accept;
    iifname ${slivers} jump for_machine
  }
  chain for_machine {
    ct state established,related accept
    ct status dnat accept
    ${others} drop
  }
  chain forwarded {
    type filter hook forward priority filter; policy accept;
    iifname ${slivers} ip daddr 169.254.0.0/16 drop
    oifname ${slivers} jump to_sliver
  }
  chain to_sliver {
    ct state established,related accept
    ct status ! dnat drop
    ct status ! confirmed add @visits { ip daddr ct count over ${connections} } drop
  }
  chain leaving {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${block.network} ip daddr != ${block.network} masquerade
    ip saddr ${block.network} ct status dnat snat ip to ct original ip daddr
  }
}
`;
}

/** A script that gives those ports of the node, if any, to the sliver at that address. */
export function portRules(table: string, address: string, ports: readonly PortRange[]): string {
  if (ports.length === 0) return "";
  return `add element inet ${table} ports { ${portElements(address, ports)} }\n`;
}

/** A script after which the table knows nothing of the sliver at that address, whether it did or not. */
export function withoutSliver(table: string, address: string, ports: readonly PortRange[]): string {
  const sets = SETS.map(
    (name) => `add element inet ${table} ${name} { ${address} }
delete element inet ${table} ${name} { ${address} }
`,
  ).join("");
  if (ports.length === 0) return sets;
  const elements = `element inet ${table} ports { ${portElements(address, ports)} }`;
  return `${sets}add ${elements}\ndelete ${elements}\n`;
}

/** A script for `nft -f -` after which the table is not there, whether it was or not. */
export function withoutRules(table: string): string {
  return `table inet ${table}\ndelete table inet ${table}\n`;
}

function perSliver(name: string): string {
  const counter = name === "alarming" ? " counter;" : "";
  return `  set ${name} { type ipv4_addr; size 65535; flags dynamic;${counter} }`;
}

function alarmChain(name: keyof typeof ALARMS): string {
  return `  chain ${name} { update @alarming { ip saddr counter }; ${over(name, ALARMS[name])} drop; }`;
}

function over(set: string, { rate, burst }: { rate: number; burst: number }): string {
  return `add @${set} { ip saddr limit rate over ${rate}/second burst ${burst} packets }`;
}

function portElements(address: string, ports: readonly PortRange[]): string {
  return ports
    .map(({ protocol, from, to }) => `${protocol} . ${from === to ? from : `${from}-${to}`} : ${address}`)
    .join(", ");
}
