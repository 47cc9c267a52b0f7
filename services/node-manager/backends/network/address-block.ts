/** 10.128.0.0/9: the addresses of all slivers on all nodes; each is only ever seen by its own node. */
const BASE = (10 << 24) | (128 << 16);
const BLOCKS = 2 ** 11;
const BLOCK_SIZE = 2 ** 12;
/** The block's first address names it and the second is the gateway; the last is left alone as a broadcast would be. */
const FIRST = 2;

/** The bits of an address that are not the block's. */
export const HOST_MASK = BLOCK_SIZE - 1;

/** The largest index of a sliver in its node's block. */
export const LAST_INDEX = BLOCK_SIZE - FIRST - 2;

/**
 * What the links of one engine are called, so that several engines of a node are in nobody's way: `prefix` of
 * their names, `mark` of the node's table, `blocks` between the node's own block of addresses and theirs.
 */
export type LinkFamily = {
  readonly prefix: string;
  readonly mark: string;
  readonly blocks: number;
};

/** Of slivers that are processes of the node. */
export const VETHS: LinkFamily = { prefix: "sl", mark: "", blocks: 0 };
/** Of slivers that are machines of their own. */
export const TAPS: LinkFamily = { prefix: "sm", mark: "_microvm", blocks: BLOCKS / 2 };

/**
 * The addresses and link names of one node's slivers, by their index on the node. The block follows from the node's
 * short id; two nodes may fall into the same one, so an address is only somebody's once the kernel has routed it.
 */
export class AddressBlock {
  readonly #start: number;
  /** What the names of this node's links begin with. */
  readonly linkPrefix: string;

  constructor(node: string, links: LinkFamily = VETHS) {
    this.linkPrefix = `${links.prefix}${node}`;
    this.#start = BASE + ((Number.parseInt(node, 16) + links.blocks) % BLOCKS) * BLOCK_SIZE;
  }

  get network(): string {
    return `${dotted(this.#start)}/20`;
  }

  /** What every sliver sends to first: its node. */
  get gateway(): string {
    return dotted(this.#start + 1);
  }

  address(index: number): string {
    return dotted(this.#start + FIRST + index);
  }

  /** At most 15 characters, which is all the kernel takes. */
  link(index: number): string {
    return `${this.linkPrefix}${index.toString(36)}`;
  }

  /** The hardware address of the node's end of the sliver's link, or of the sliver's own; nobody asks for either. */
  hardwareAddress(index: number, end: "node" | "sliver"): string {
    const number = FIRST + index;
    const bytes = [0x02, 0x53, 0x4c, end === "node" ? 0 : 1, number >>> 8, number & 255];
    return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  }

  /** What tells the sliver's packets from its neighbours': the address without its block. */
  hostPart(index: number): number {
    return FIRST + index;
  }
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}
