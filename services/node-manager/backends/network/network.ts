import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { Fault } from "#shared/model/errors.ts";
import type { PortRange } from "#shared/model/ports.ts";
import { readIfPresent } from "#shared/runtime/durable-file.ts";
import type { NetworkUsage, SliverId, SliverPlan } from "../backend.ts";
import { type NodePlaces, type SliverPlaces, sliverOf, sliverPlaces } from "../container/places.ts";
import { programFailure, runProgram } from "../machine/program.ts";
import { Turns } from "../machine/turns.ts";
import { AddressBlock, LAST_INDEX, type LinkFamily } from "./address-block.ts";
import { Cables, type LinkEnds, limitInside } from "./cables.ts";
import { forgetConnections } from "./connections.ts";
import { ForwardPolicy } from "./forward-policy.ts";
import { linkNames } from "./links.ts";
import { machineResolution, resolvConf } from "./resolver.ts";
import { MOST_CONNECTIONS, portRules, rules, tableName, withoutRules, withoutSliver } from "./rules.ts";
import { Shaping } from "./shaping.ts";
import { TrafficCounters } from "./traffic.ts";

const IPV4 = "/proc/sys/net/ipv4";
const CONNECTION_TABLE = "/proc/sys/net/netfilter/nf_conntrack_max";
const NO_SHARES =
  "this kernel can't share outgoing traffic, so that slivers have ceilings but no guarantees: it needs ifb, sch_htb, cls_bpf, cls_u32 and act_mirred";
/** How many addresses are tried when another node of the same network namespace may have taken them. */
const TRIES = 8;

export type NetworkOptions = {
  /** What the node's slivers may send altogether, in kbit/s. As much as they like when absent or 0. */
  readonly egressKbps?: number;
  /** The machine's address under which people know the node; every address of the machine when absent. */
  readonly address?: string;
  /** What slivers' links are called; as containers' are when absent. */
  readonly links?: LinkFamily;
};

/** What of a sliver's places its network uses. */
type LinkPlaces = Pick<SliverPlaces, "id" | "address" | "forgetting">;

/** What a sliver has on the node; also what its address file says. */
type Connection = { readonly index: number; readonly ports: readonly PortRange[] };

/**
 * The network of a node's slivers, in whichever network namespace the node manager runs: each sliver has a veth of its
 * own, one private address, its share of what leaves the node, and leaves it under the node's address. Slivers are not
 * neighbours of one another.
 *
 * A sliver has a veth only while its directory holds an address; which ones do is all this remembers.
 */
export class Network {
  readonly #block: AddressBlock;
  readonly #cables: Cables;
  readonly #table: string;
  readonly #options: NetworkOptions;
  readonly #shaping: Shaping | undefined;
  readonly #forwarding: ForwardPolicy;
  readonly #counters: TrafficCounters;
  readonly #connected: Map<SliverId, Connection>;
  readonly #turns = new Turns();
  #ruled = false;
  /** Whether slivers' questions for names are passed on to the machine's loopback. */
  #namesHere = false;

  private constructor(
    node: NodePlaces,
    options: NetworkOptions,
    shaping: Shaping | undefined,
    connected: Map<SliverId, Connection>,
  ) {
    this.#block = new AddressBlock(node.node, options.links);
    this.#cables = new Cables(this.#block);
    this.#table = tableName(node.node, options.links);
    this.#options = options;
    this.#shaping = shaping;
    this.#forwarding = new ForwardPolicy(this.#block, this.#table);
    this.#counters = new TrafficCounters(this.#block, this.#table);
    this.#connected = connected;
  }

  /**
   * Finds what an earlier node manager left connected. A sliver whose veth is not in this network namespace (it went
   * with the one the earlier node manager ran in) counts as stopped from here on, so that it is started again.
   */
  static async open(node: NodePlaces, options: NetworkOptions = {}): Promise<Network> {
    const connected = new Map<SliverId, Connection>();
    const shaping = await Shaping.open(new AddressBlock(node.node, options.links), options.egressKbps);
    const network = new Network(node, options, shaping, connected);
    for (const sliver of await sliversOf(node)) {
      const connection = await readConnection(sliver);
      if (connection) connected.set(sliver.id, connection);
    }
    await network.#turns.take("rules", async () => {
      if (connected.size > 0) await network.#rule();
      await network.#forgetLost(node);
      if (connected.size === 0) await network.#dropRules();
    });
    return network;
  }

  /** Whether slivers have guaranteed rates and share the rest; where the kernel can't, they only have ceilings. */
  get sharesFairly(): boolean {
    return this.#shaping !== undefined;
  }

  /** What keeps slivers here from having all of it, and what helps, for the node's owner. */
  async notes(): Promise<string[]> {
    const obstacle = await this.#forwarding.obstacle();
    return [...(this.sharesFairly ? [] : [NO_SHARES]), ...(obstacle ? [obstacle] : [])];
  }

  /** Which sliver has which address now. */
  addresses(): Map<string, SliverId> {
    return new Map(Array.from(this.#connected, ([id, { index }]) => [this.#block.address(index), id]));
  }

  /** How a sliver resolves names, as its resolv.conf. */
  async resolvConf({ administrative }: SliverPlan): Promise<string> {
    const resolution = await machineResolution();
    const own = administrative && resolution.loopback; // it is on the node's own loopback
    return resolvConf(resolution, own ?? this.#block.gateway);
  }

  /** What a connected sliver has sent and received since it was; undefined of one that is not. */
  async usage(id: SliverId): Promise<NetworkUsage | undefined> {
    const connection = this.#connected.get(id);
    if (!connection) return undefined;
    try {
      return await this.#counters.of(connection.index);
    } catch (error) {
      if (!programFailure(error)) throw error;
      // Somebody has flushed the machine's rules, as the restart of a firewall does: ours with them.
      await this.#turns.take("rules", async () => {
        this.#ruled = false;
        if (this.#connected.size > 0) await this.#rule();
      });
      return undefined;
    }
  }

  /** Gives the network namespace of the process `pid` its way out. Whatever the sliver had before must be gone. */
  async connect(sliver: LinkPlaces, pid: number, plan: SliverPlan): Promise<void> {
    await this.#connect(sliver, plan, pid);
    const ceiling = plan.ceilings.egressKbps;
    if (!this.#shaping && ceiling !== undefined) await limitInside(pid, ceiling);
  }

  /** As `connect`, where the sliver's end is for a program that is yet to be started, and knows what is said here. */
  async prepare(sliver: LinkPlaces, plan: SliverPlan): Promise<LinkEnds> {
    return this.#cables.ends(await this.#connect(sliver, plan));
  }

  async #connect(sliver: LinkPlaces, plan: SliverPlan, pid?: number): Promise<number> {
    // In one turn, so that the rules are not dropped with another sliver just before this one counts.
    const reserved = await this.#turns.take("rules", async () => {
      await this.#rule();
      return this.#reserve(sliver.id, plan.ports ?? []);
    });
    const connection = await this.#plug(sliver, pid, reserved);
    const { index } = connection;
    await Promise.all([
      pid !== undefined && this.#cables.configure(index, pid, this.#shaping?.greatestPacket),
      this.#shaping?.add(index, plan),
      this.#openPorts(connection),
      this.#namesHere && writeFile(`${IPV4}/conf/${this.#block.link(index)}/route_localnet`, "1"),
    ]);
    return index;
  }

  /** Takes away what `connect` made, however much of it there is; the node's rules too with its last sliver. */
  async disconnect(sliver: LinkPlaces): Promise<void> {
    const connection = this.#connected.get(sliver.id);
    if (connection === undefined) return;
    await this.#unplug(sliver, connection);
    await rm(sliver.address, { force: true });
    this.#connected.delete(sliver.id);
    await this.#turns.take("rules", async () => {
      if (this.#connected.size === 0) await this.#dropRules();
    });
  }

  /** Makes the veth, under the first address nobody on this machine's network has. */
  async #plug(sliver: LinkPlaces, pid: number | undefined, reserved: Connection): Promise<Connection> {
    let connection = reserved;
    for (let tries = 1; ; tries++) {
      const address = this.#block.address(connection.index);
      await writeFile(sliver.address, JSON.stringify({ ...connection, address }));
      try {
        await this.#cables.plug(connection.index, pid);
        return connection;
      } catch (error) {
        // Most likely another node of this machine has this address: it fell into the same block.
        await this.#unplug(sliver, connection);
        if (tries === TRIES) throw error;
        connection = this.#reserve(sliver.id, connection.ports);
      }
    }
  }

  /** The next index after the one this sliver had, or the lowest one, that no other sliver of the node has. */
  #reserve(id: SliverId, ports: readonly PortRange[]): Connection {
    const before = this.#connected.get(id)?.index ?? -1;
    const taken = new Set(Array.from(this.#connected.values(), ({ index }) => index));
    let index = before + 1;
    while (taken.has(index)) index++;
    if (index > LAST_INDEX)
      throw new Fault("BACKEND_FAILED", "the node has no address left; delete a sliver first");
    const connection = { index, ports };
    this.#connected.set(id, connection);
    return connection;
  }

  async #openPorts(connection: Connection): Promise<void> {
    if (connection.ports.length > 0) await nft("forward the sliver's ports", this.#portRules(connection));
  }

  #portRules({ index, ports }: Connection): string {
    return portRules(this.#table, this.#block.address(index), ports);
  }

  /** After the link is gone nothing of the sliver's arrives any more: only then is it forgotten. */
  async #unplug(sliver: LinkPlaces, { index, ports }: Connection): Promise<void> {
    const address = this.#block.address(index);
    await Promise.all([this.#cables.unplug(index), this.#shaping?.remove(index)]);
    await Promise.all([
      nft("take back the sliver's ports", withoutSliver(this.#table, address, ports)),
      forgetConnections(address, sliver.forgetting),
    ]);
  }

  async #rule(): Promise<void> {
    if (this.#ruled) return;
    if ((await readFile(`${IPV4}/ip_forward`, "utf8")).trim() === "0")
      await writeFile(`${IPV4}/ip_forward`, "1");
    const resolver = (await machineResolution()).loopback;
    const connections = await connectionsOfOne();
    const needs = { block: this.#block, address: this.#options.address, resolver, connections };
    const ports = Array.from(this.#connected.values(), (connection) => this.#portRules(connection));
    await nft("set the rules of the slivers' network", rules(this.#table, needs) + ports.join(""));
    await this.#shaping?.begin();
    await this.#forwarding.allow();
    this.#namesHere = resolver !== undefined;
    this.#ruled = true;
  }

  async #dropRules(): Promise<void> {
    this.#ruled = false;
    await nft("drop the rules of the slivers' network", withoutRules(this.#table));
    await this.#shaping?.end();
    await this.#forwarding.forget();
  }

  async #forgetLost(node: NodePlaces): Promise<void> {
    const links = await linkNames();
    for (const [id, connection] of this.#connected) {
      if (links.has(this.#block.link(connection.index))) continue;
      const sliver = sliverPlaces(node, id);
      await rm(sliver.running, { force: true });
      await this.#unplug(sliver, connection);
      await rm(sliver.address, { force: true });
      this.#connected.delete(id);
    }
  }
}

async function sliversOf(node: NodePlaces): Promise<SliverPlaces[]> {
  const ids = (await readdir(node.slivers)).filter((name) => sliverOf(name) === name);
  return ids.map((id) => sliverPlaces(node, id));
}

async function nft(purpose: string, input: string): Promise<void> {
  await runProgram(purpose, ["nft", "-f", "-"], { input });
}

/** So that no sliver takes more than an eighth of the machine's table, however small that is. */
async function connectionsOfOne(): Promise<number> {
  const all = Number((await readIfPresent(CONNECTION_TABLE)) ?? Number.POSITIVE_INFINITY);
  return Math.max(1, Math.min(MOST_CONNECTIONS, Math.floor(all / 8)));
}

/** What a sliver's address file says; an unreadable one (the machine lost power) has no veth either. */
async function readConnection(sliver: SliverPlaces): Promise<Connection | undefined> {
  const text = (await readIfPresent(sliver.address))?.toString() ?? "";
  try {
    const { index, ports } = JSON.parse(text);
    return { index, ports: ports ?? [] };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
