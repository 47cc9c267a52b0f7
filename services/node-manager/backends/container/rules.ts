import type { AddressBlock } from "./address-block.ts";

/** The one nftables table a node has. */
export function tableName(node: string): string {
  return `slicelab_${node}`;
}

/**
 * The node's rules, as a script for `nft -f -` that replaces them in one step.
 *
 * - A packet from a sliver must come from the address that is routed to its own veth: nobody speaks for another.
 * - Slivers speak IPv4 only, until they are given other addresses.
 * - Nothing is forwarded to a sliver but answers: not from the outside, not from its neighbours on the node, nor to
 *   link-local addresses, where clouds answer to whoever asks with the machine's own credentials.
 * - What leaves the node leaves under the node's address.
 */
export function rules(table: string, block: AddressBlock): string {
  const slivers = `"${block.linkPrefix}*"`;
  return `${withoutRules(table)}
table inet ${table} {
  chain arriving {
    type filter hook prerouting priority raw; policy accept;
    iifname ${slivers} meta protocol != { ip, arp } drop
    iifname ${slivers} meta protocol ip fib saddr . iif oif 0 drop
  }
  chain forwarded {
    type filter hook forward priority filter; policy accept;
    iifname ${slivers} ip daddr 169.254.0.0/16 drop
    oifname ${slivers} ct state established,related accept
    oifname ${slivers} drop
  }
  chain leaving {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${block.network} ip daddr != ${block.network} masquerade
  }
}
`;
}

/** A script for `nft -f -` after which the table is not there, whether it was or not. */
export function withoutRules(table: string): string {
  return `table inet ${table}\ndelete table inet ${table}\n`;
}
