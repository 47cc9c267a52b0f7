import type { Ceilings, Resources } from "#shared/model/resources.ts";
import { programFailure, runProgram } from "../machine/program.ts";
import { type AddressBlock, HOST_MASK } from "./address-block.ts";
import { linkNames } from "./links.ts";

/** The rate of a node that has none: more than any machine sends. */
const UNBOUNDED_KBPS = 100_000_000;
/** What a sliver without a guarantee is guaranteed: nearly nothing, so that it shares what is left (paper §3.3). */
const LEAST_KBPS = 8;
/** The share of the excess a guarantee can bring, in shares of a sliver that has none. */
const GREATEST_WEIGHT = 64;
const LEAST_BURST = 4096;
const GREATEST_PACKET = 65_536;
/** How long a sliver's own packets may wait, at its ceiling, before more are dropped. */
const QUEUE_MILLISECONDS = 200;
const LEAST_QUEUE = 32 * 1024;
const GREATEST_QUEUE = 4 * 1024 * 1024;
/** Classes that are no sliver's: their numbers are above every host part. */
const [ROOT, LOST] = ["1:f000", "1:f001"];
const LEAVES = ["fq_codel", "bfifo"] as const;

export type Shares = { readonly resources: Resources; readonly ceilings: Ceilings };

/**
 * The node's shares of outgoing traffic (paper §3.3): one root token bucket at the node's rate, and one child for each
 * sliver with its guarantee as rate and its ceiling, which lends out what it does not use.
 *
 * All that slivers send passes one device of the node (an ifb) before it is routed: whatever way it leaves the node, and
 * whoever else sends there, the shares are the node's own. The queue is the kernel's and needs no node manager.
 */
export class Shaping {
  readonly #block: AddressBlock;
  readonly #rate: number;
  readonly #leaf: (typeof LEAVES)[number];
  /** The largest packet before it is cut up: one millisecond of the node's rate. */
  readonly greatestPacket: number;

  private constructor(block: AddressBlock, rate: number, leaf: (typeof LEAVES)[number]) {
    this.#block = block;
    this.#rate = rate;
    this.#leaf = leaf;
    this.greatestPacket = within(LEAST_BURST, Math.floor(rate / 8), GREATEST_PACKET);
  }

  /** Finds out by trying what this kernel can do: undefined where it can't share. `kbps`: what slivers may send in all. */
  static async open(block: AddressBlock, kbps: number | undefined): Promise<Shaping | undefined> {
    for (const leaf of LEAVES) {
      const shaping = new Shaping(block, kbps || UNBOUNDED_KBPS, leaf);
      try {
        await shaping.#make(shaping.#trial);
        await deleteLink(shaping.#trial);
        return shaping;
      } catch (error) {
        if (!programFailure(error)) throw error;
      }
    }
    if ((await linkNames()).has(trialOf(block))) await deleteLink(trialOf(block));
    return undefined;
  }

  /** The device all of the slivers' packets pass. */
  get #device(): string {
    return `${this.#block.linkPrefix}root`;
  }

  get #trial(): string {
    return trialOf(this.#block);
  }

  /** Makes what all slivers share, or gives what is there the node's rate of today. */
  async begin(): Promise<void> {
    if ((await linkNames()).has(this.#device)) {
      await tc("change the node's rate", this.#rootClass(this.#device));
    } else {
      // Whole before it has its name: what is found under that name was not left half-made.
      await this.#make(this.#trial);
      await ip("name the slivers' queue", [`link set ${this.#trial} name ${this.#device}`]);
    }
    await ip("open the slivers' queue", [`link set ${this.#device} up`]);
  }

  /** Takes away all of it at once. */
  async end(): Promise<void> {
    const links = await linkNames();
    for (const link of [this.#device, this.#trial]) if (links.has(link)) await deleteLink(link);
  }

  /** Gives a sliver its share; from then on what comes from its own address waits its turn. */
  async add(index: number, shares: Shares): Promise<void> {
    const { resources, ceilings } = shares;
    const rate = Math.min(Math.max(resources.egressKbps, LEAST_KBPS), this.#rate);
    const ceiling = Math.min(Math.max(ceilings.egressKbps ?? this.#rate, rate), this.#rate);
    const [link, device] = [this.#block.link(index), this.#device];
    await tc("give the sliver its share of the node's traffic", [
      `class replace dev ${device} parent ${ROOT} classid ${this.#classOf(index)} ${this.#bucket(rate, ceiling)}`,
      `qdisc replace dev ${device} parent ${this.#classOf(index)} ${this.#queue(ceiling)}`,
      ...divert(link, device, `ip src ${this.#block.address(index)}/32`),
    ]);
  }

  /** Of a share that is not there: nothing. */
  async remove(index: number): Promise<void> {
    const [device, name] = [this.#device, this.#classOf(index)];
    await tc("take back the sliver's share", [
      `class replace dev ${device} parent ${ROOT} classid ${name} ${this.#bucket(LEAST_KBPS, LEAST_KBPS)}`,
      `class delete dev ${device} classid ${name}`,
    ]);
  }

  /** Everything the kernel must be able to do is done here once, so that making it is also trying it. */
  async #make(device: string): Promise<void> {
    if ((await linkNames()).has(device)) await deleteLink(device);
    await ip("make the slivers' queue", [`link add ${device} type ifb`]);
    await tc("make the slivers' queue", [
      `qdisc add dev ${device} root handle 1: htb default ${LOST.slice(2)}`,
      ...this.#rootClass(device),
      `class add dev ${device} parent ${ROOT} classid ${LOST} ${this.#bucket(LEAST_KBPS, LEAST_KBPS)}`,
      `qdisc add dev ${device} parent ${LOST} ${this.#queue(LEAST_KBPS)}`,
      `filter add dev ${device} parent 1: protocol ip bpf bytecode "${classByAddress()}"`,
      ...divert(device, device, "u32 0 0"),
      `qdisc delete dev ${device} ingress`,
    ]);
  }

  #rootClass(device: string): string[] {
    return [`class replace dev ${device} parent 1: classid ${ROOT} ${this.#bucket(this.#rate, this.#rate)}`];
  }

  #classOf(index: number): string {
    return `1:${this.#block.hostPart(index).toString(16)}`;
  }

  /**
   * The quantum is what a class sends in its turn when several share the excess: in proportion to the guarantees, and
   * never less than a packet, or each turn would be one packet whatever its quantum.
   */
  #bucket(rate: number, ceiling: number): string {
    const weight = within(1, (rate / this.#rate) * GREATEST_WEIGHT, GREATEST_WEIGHT);
    const burst = (kbps: number) => `${Math.max(LEAST_BURST, Math.ceil(kbps / 8))}b`;
    const quantum = Math.round(this.greatestPacket * weight);
    return `htb rate ${rate}kbit burst ${burst(rate)} ceil ${ceiling}kbit cburst ${burst(ceiling)} quantum ${quantum}`;
  }

  /** The sliver's own queue; where the kernel can, each of its connections gets through. */
  #queue(ceiling: number): string {
    if (this.#leaf === "fq_codel") return "fq_codel";
    return `bfifo limit ${Math.ceil(within(LEAST_QUEUE, (ceiling / 8) * QUEUE_MILLISECONDS, GREATEST_QUEUE))}`;
  }
}

function trialOf(block: AddressBlock): string {
  return `${block.linkPrefix}made`;
}

/** Sends what arrives on a link to the queue of that device; from there it comes back as if it had just arrived. */
function divert(link: string, device: string, match: string): string[] {
  return [
    `qdisc add dev ${link} handle ffff: ingress`,
    `filter add dev ${link} parent ffff: protocol ip u32 match ${match} action mirred egress redirect dev ${device}`,
  ];
}

/**
 * Finds the class by the source address alone, however many slivers there are: a classic BPF program in the form of tc,
 * `code jt jf k` each. Load the source address behind the Ethernet header, keep its host part, add the major number.
 */
function classByAddress(): string {
  const program = [
    [0x20, 26], // ldw [26]
    [0x54, HOST_MASK], // and #HOST_MASK
    [0x44, 0x1_0000], // or #0x10000
    [0x16, 0], // ret a
  ];
  return `${program.length},${program.map(([code, k]) => `${code} 0 0 ${k},`).join("")}`;
}

function within(least: number, value: number, greatest: number): number {
  return Math.min(Math.max(value, least), greatest);
}

async function tc(purpose: string, commands: readonly string[]): Promise<void> {
  await runProgram(purpose, ["tc", "-batch", "-"], { input: `${commands.join("\n")}\n` });
}

async function ip(purpose: string, commands: readonly string[]): Promise<void> {
  await runProgram(purpose, ["ip", "-batch", "-"], { input: `${commands.join("\n")}\n` });
}

async function deleteLink(link: string): Promise<void> {
  await ip("end the slivers' queue", [`link delete ${link}`]);
}
