import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { Fault } from "#shared/model/errors.ts";
import type { Ceilings } from "#shared/model/resources.ts";
import { readIfPresent } from "#shared/runtime/durable-file.ts";
import type { SliverId } from "../backend.ts";
import { AddressBlock, LAST_INDEX } from "./address-block.ts";
import { type NodePlaces, type SliverPlaces, sliverOf, sliverPlaces } from "./places.ts";
import { runProgram } from "./program.ts";
import { rules, tableName, withoutRules } from "./rules.ts";
import { Turns } from "./turns.ts";

const FORWARDING = "/proc/sys/net/ipv4/ip_forward";
/** How many addresses are tried when another node of the same network namespace may have taken them. */
const TRIES = 8;

/**
 * The network of a node's slivers, in whichever network namespace the node manager runs: each sliver has a veth of its
 * own, one private address, and leaves the node under the node's address. Slivers are not neighbours of one another.
 *
 * A sliver has a veth only while its directory holds an address; which ones do is all this remembers.
 */
export class Network {
  readonly #block: AddressBlock;
  readonly #table: string;
  readonly #connected: Map<SliverId, number>;
  readonly #turns = new Turns();
  #ruled = false;

  private constructor(node: NodePlaces, connected: Map<SliverId, number>) {
    this.#block = new AddressBlock(node.node);
    this.#table = tableName(node.node);
    this.#connected = connected;
  }

  /**
   * Finds what an earlier node manager left connected. A sliver whose veth is not in this network namespace (it went
   * with the one the earlier node manager ran in) counts as stopped from here on, so that it is started again.
   */
  static async open(node: NodePlaces): Promise<Network> {
    const connected = new Map<SliverId, number>();
    const network = new Network(node, connected);
    for (const sliver of await sliversOf(node)) {
      const index = await readIndex(sliver);
      if (index !== undefined) connected.set(sliver.id, index);
    }
    if (connected.size > 0) await network.#forgetLost(node);
    await network.#turns.take("rules", () => (connected.size > 0 ? network.#rule() : network.#dropRules()));
    return network;
  }

  /** Gives the network namespace of the process `pid` its way out. Whatever the sliver had before must be gone. */
  async connect(sliver: SliverPlaces, pid: number, ceilings: Ceilings): Promise<void> {
    await this.#turns.take("rules", () => this.#rule());
    const index = await this.#plug(sliver, pid);
    await runProgram("set up the sliver's network", [...inside(pid), "ip", "-batch", "-"], {
      input: [
        `addr add ${this.#block.address(index)}/32 dev eth0`,
        "link set eth0 up",
        `route add ${this.#block.gateway} dev eth0 scope link`,
        `route add default via ${this.#block.gateway} dev eth0`,
        "",
      ].join("\n"),
    });
    if (ceilings.egressKbps !== undefined) await limitEgress(pid, ceilings.egressKbps);
  }

  /** Takes away what `connect` made, however much of it there is; the node's rules too with its last sliver. */
  async disconnect(sliver: SliverPlaces): Promise<void> {
    const index = this.#connected.get(sliver.id);
    if (index === undefined) return;
    await this.#unplug(index);
    await rm(sliver.address, { force: true });
    this.#connected.delete(sliver.id);
    await this.#turns.take("rules", async () => {
      if (this.#connected.size === 0) await this.#dropRules();
    });
  }

  /** Makes the veth, under the first address nobody on this machine's network has. */
  async #plug(sliver: SliverPlaces, pid: number): Promise<number> {
    for (let tries = 1; ; tries++) {
      const index = this.#reserve(sliver.id);
      await writeFile(sliver.address, JSON.stringify({ index, address: this.#block.address(index) }));
      try {
        await this.#addLink(index, pid);
        return index;
      } catch (error) {
        // Most likely another node of this machine has this address: it fell into the same block.
        await this.#unplug(index);
        if (tries === TRIES) throw error;
      }
    }
  }

  /** The next index after the one this sliver had, or the lowest one, that no other sliver of the node has. */
  #reserve(id: SliverId): number {
    const before = this.#connected.get(id) ?? -1;
    const taken = new Set(this.#connected.values());
    let index = before + 1;
    while (taken.has(index)) index++;
    if (index > LAST_INDEX)
      throw new Fault("BACKEND_FAILED", "the node has no address left; delete a sliver first");
    this.#connected.set(id, index);
    return index;
  }

  async #addLink(index: number, pid: number): Promise<void> {
    const link = this.#block.link(index);
    await runProgram("connect the sliver to its node", ["ip", "-batch", "-"], {
      input: [
        `link add ${link} type veth peer name eth0 netns ${pid}`,
        `link set ${link} addrgenmode none`,
        `addr add ${this.#block.gateway}/32 dev ${link}`,
        `link set ${link} up`,
        `route add ${this.#block.address(index)}/32 dev ${link}`,
        "",
      ].join("\n"),
    });
  }

  async #unplug(index: number): Promise<void> {
    const link = this.#block.link(index);
    try {
      await runProgram("disconnect the sliver from its node", ["ip", "link", "delete", link]);
    } catch (error) {
      // The veth goes by itself when the sliver's last process does: then there was nothing to delete.
      if ((await linkNames()).has(link)) throw error;
    }
  }

  async #rule(): Promise<void> {
    if (this.#ruled) return;
    if ((await readFile(FORWARDING, "utf8")).trim() === "0") await writeFile(FORWARDING, "1");
    const input = rules(this.#table, this.#block);
    await runProgram("set the rules of the slivers' network", ["nft", "-f", "-"], { input });
    this.#ruled = true;
  }

  async #dropRules(): Promise<void> {
    this.#ruled = false;
    const input = withoutRules(this.#table);
    await runProgram("drop the rules of the slivers' network", ["nft", "-f", "-"], { input });
  }

  async #forgetLost(node: NodePlaces): Promise<void> {
    const links = await linkNames();
    for (const [id, index] of this.#connected) {
      if (links.has(this.#block.link(index))) continue;
      const sliver = sliverPlaces(node, id);
      await rm(sliver.running, { force: true });
      await rm(sliver.address, { force: true });
      this.#connected.delete(id);
    }
  }
}

async function sliversOf(node: NodePlaces): Promise<SliverPlaces[]> {
  const ids = (await readdir(node.slivers)).filter((name) => sliverOf(name) === name);
  return ids.map((id) => sliverPlaces(node, id));
}

/** Lets a program of the machine act in the network of the process `pid`, and in nothing else of it. */
function inside(pid: number): [string, ...string[]] {
  return ["nsenter", `--net=/proc/${pid}/ns/net`, "--"];
}

/** Set inside, where root has no capability to change it. */
async function limitEgress(pid: number, kbps: number): Promise<void> {
  const shape = ["tbf", "rate", `${Math.max(kbps, 8)}kbit`, "burst", "32kb", "latency", "400ms"];
  await runProgram("limit the sliver's traffic", [
    ...inside(pid),
    "tc",
    "qdisc",
    "add",
    "dev",
    "eth0",
    "root",
    ...shape,
  ]);
}

async function linkNames(): Promise<Set<string>> {
  const links: { ifname: string }[] = JSON.parse(
    await runProgram("list the node's links", ["ip", "-json", "link"]),
  );
  return new Set(links.map(({ ifname }) => ifname));
}

/** The index in a sliver's address file; an unreadable one (the machine lost power) has no veth either. */
async function readIndex(sliver: SliverPlaces): Promise<number | undefined> {
  const text = (await readIfPresent(sliver.address))?.toString();
  const index = /^\{"index":(\d+)/.exec(text ?? "")?.[1];
  return index === undefined ? undefined : Number(index);
}
