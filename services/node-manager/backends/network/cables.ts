import { runProgram } from "../machine/program.ts";
import type { AddressBlock } from "./address-block.ts";
import { linkNames } from "./links.ts";

/** The two ends of a sliver's link: whoever makes the sliver's must know the node's. */
export type LinkEnds = {
  readonly link: string;
  readonly address: string;
  readonly gateway: string;
  readonly hardware: { readonly node: string; readonly sliver: string };
};

/** What connects a node's slivers to it: a link each, between the two and nobody else. */
export class Cables {
  readonly #block: AddressBlock;

  constructor(block: AddressBlock) {
    this.#block = block;
  }

  ends(index: number): LinkEnds {
    const [link, address, gateway] = [
      this.#block.link(index),
      this.#block.address(index),
      this.#block.gateway,
    ];
    const hardware = (end: "node" | "sliver") => this.#block.hardwareAddress(index, end);
    return { link, address, gateway, hardware: { node: hardware("node"), sliver: hardware("sliver") } };
  }

  /**
   * Makes one end in the node and the other in the network namespace of the process `pid`; without one, for a program on
   * the node that is yet to take it. They know each other: nobody asks on a link who has an address, nor answers.
   */
  async plug(index: number, pid?: number): Promise<void> {
    const { link, address, gateway, hardware } = this.ends(index);
    const [here, there] = [hardware.node, hardware.sliver];
    const made =
      pid === undefined
        ? [`tuntap add dev ${link} mode tap`, `link set ${link} address ${here}`]
        : [`link add ${link} address ${here} type veth peer name eth0 address ${there} netns ${pid}`];
    await runProgram("connect the sliver to its node", ["ip", "-batch", "-"], {
      input: [
        ...made,
        `link set ${link} addrgenmode none arp off`,
        `addr add ${gateway}/32 dev ${link}`,
        `link set ${link} up`,
        `route add ${address}/32 dev ${link}`,
        `neighbour replace ${address} lladdr ${there} nud permanent dev ${link}`,
        "",
      ].join("\n"),
    });
  }

  /** Gives the sliver its address and its way out. `greatest`: the largest packet it hands over at once, in bytes. */
  async configure(index: number, pid: number, greatest: number | undefined): Promise<void> {
    const { gateway } = this.#block;
    const size = greatest === undefined ? "" : ` gso_max_size ${greatest}`;
    await runProgram("set up the sliver's network", [...inside(pid), "ip", "-batch", "-"], {
      input: [
        `addr add ${this.#block.address(index)}/32 dev eth0`,
        `link set eth0 arp off${size} up`,
        `neighbour replace ${gateway} lladdr ${this.#block.hardwareAddress(index, "node")} nud permanent dev eth0`,
        `route add ${gateway} dev eth0 scope link`,
        `route add default via ${gateway} dev eth0`,
        "",
      ].join("\n"),
    });
  }

  /** Of a link that is not there: nothing. */
  async unplug(index: number): Promise<void> {
    const link = this.#block.link(index);
    // The veth goes by itself when the sliver's last process does: then there is nothing to delete.
    if (!(await linkNames()).has(link)) return;
    try {
      await runProgram("disconnect the sliver from its node", ["ip", "link", "delete", link]);
    } catch (error) {
      if ((await linkNames()).has(link)) throw error;
    }
  }
}

/** Lets a program of the machine act in the network of the process `pid`, and in nothing else of it. */
function inside(pid: number): [string, ...string[]] {
  return ["nsenter", `--net=/proc/${pid}/ns/net`, "--"];
}

/** Set inside, where root has no capability to change it. */
export async function limitInside(pid: number, kbps: number): Promise<void> {
  const shape = ["tbf", "rate", `${Math.max(kbps, 8)}kbit`, "burst", "32kb", "latency", "400ms"];
  const [enter, ...words] = inside(pid);
  const command = ["tc", "qdisc", "add", "dev", "eth0", "root", ...shape];
  await runProgram("limit the sliver's traffic", [enter, ...words, ...command]);
}
