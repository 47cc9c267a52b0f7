import { execFile } from "node:child_process";
import { networkInterfaces } from "node:os";
import { promisify } from "node:util";
import { OperatorError } from "#shared/model/errors.ts";
import { readIfPresent, writeDurably } from "#shared/runtime/durable-file.ts";
import type { Layout } from "./layout.ts";

const run = promisify(execFile);

/** Where a node of the testbed is: an address, and the network namespace that has it, if not the machine's own. */
export type Place = { readonly ip: string; readonly namespace?: string };

/** Addresses for the nodes and for the agent, and what must be put in front of a command to run it on a node. */
export type TestbedNetwork = AsyncDisposable & {
  readonly agentIp: string;
  readonly places: readonly Place[];
};

/** Simulated nodes: loopback addresses of their own, 127.0.1.1, 127.0.1.2, … The whole of 127/8 is the machine's. */
export function loopbackNetwork(nodes: number): TestbedNetwork {
  const places = Array.from({ length: nodes }, (_, i) => ({
    ip: `127.0.${1 + Math.floor(i / 254)}.${1 + (i % 254)}`,
  }));
  return { agentIp: "127.0.0.1", places, [Symbol.asyncDispose]: async () => {} };
}

const MAX_NODES = 250;

/**
 * Nodes that are hosts: each in a network namespace with an address of its own behind a bridge, so that a link can be
 * cut (`ip link set NAME down`). The bridge itself has the subnet's last address: the agent's. The layout's mark
 * (4 hex digits) names everything made here, and what an earlier run with the same mark left behind is removed first.
 * The usual subnet is 10.77.0; with `anySubnet` testbeds spread over several, so as not to wait for each other.
 */
export async function bridgedNetwork(
  nodes: number,
  layout: Layout,
  anySubnet: boolean,
): Promise<TestbedNetwork> {
  const { mark } = layout;
  if (nodes > MAX_NODES) throw new OperatorError(`a bridge takes at most ${MAX_NODES} nodes; ask for fewer`);
  await dismantle(mark);
  const subnet = await ownSubnet(layout, anySubnet);
  const bridge = `slb${mark}`;
  const agentIp = `${subnet}.254`;
  const places = Array.from({ length: nodes }, (_, i) => ({
    ip: `${subnet}.${i + 1}`,
    namespace: namespaceOf(mark, i + 1),
  }));
  await ip([
    `link add ${bridge} type bridge`,
    `address add ${agentIp}/24 dev ${bridge}`,
    `link set ${bridge} up`,
    ...places.map((place) => `netns add ${place.namespace}`),
  ]);
  await ip(places.flatMap((place, i) => attach(bridge, place.namespace, linkOf(mark, i + 1))));
  for (const place of places) await configure(place, agentIp);
  return { agentIp, places, [Symbol.asyncDispose]: () => dismantle(mark) };
}

/** The node's end of its link, as it is called on the machine: what to take down to cut the node off. */
export function linkOf(mark: string, number: number): string {
  return `slv${mark}n${number}`;
}

function namespaceOf(mark: string, number: number): string {
  return `slicelab-${mark}-n${number}`;
}

function attach(bridge: string, namespace: string, link: string): string[] {
  return [
    `link add ${link} type veth peer name eth0 netns ${namespace}`,
    `link set ${link} master ${bridge}`,
    `link set ${link} up`,
  ];
}

async function configure(place: { ip: string; namespace: string }, gateway: string): Promise<void> {
  const commands = [
    "link set lo up",
    `address add ${place.ip}/24 dev eth0`,
    "link set eth0 up",
    `route add default via ${gateway}`,
  ];
  await ip(commands, ["-netns", place.namespace]);
}

/** Runs several `ip` commands as one process. */
async function ip(commands: readonly string[], options: readonly string[] = []): Promise<void> {
  const child = run("ip", [...options, "-batch", "-"]);
  child.child.stdin!.end(`${commands.join("\n")}\n`);
  await child;
}

/** Removes the bridge, links and namespaces of a mark, whichever of them are there. */
async function dismantle(mark: string): Promise<void> {
  const { stdout: spaces } = await run("ip", ["netns", "list"]);
  const { stdout: links } = await run("ip", ["-brief", "link", "show"]);
  const namespaces = names(spaces).filter((name) => name.startsWith(`slicelab-${mark}-`));
  const devices = names(links).filter((name) => name.startsWith(`slv${mark}n`) || name === `slb${mark}`);
  const commands = [...namespaces.map((n) => `netns delete ${n}`), ...devices.map((d) => `link delete ${d}`)];
  // A link goes with its namespace, a little later: what is gone already needs no deleting.
  if (commands.length > 0) await ip(commands, ["-force"]).catch(() => undefined);
}

function names(listing: string): string[] {
  return listing.split("\n").flatMap((line) => /^([^\s@]+)/.exec(line)?.[1] ?? []);
}

/**
 * The subnet a testbed has had from its first start on: leases, certificates and the agent's books name addresses in it.
 * Throws OperatorError when somebody else has it now.
 */
async function ownSubnet({ subnet: memory, mark }: Layout, any: boolean): Promise<string> {
  const known = (await readIfPresent(memory))?.toString("utf8").trim();
  const subnet = known ?? freeSubnet(any ? Number.parseInt(mark, 16) : 0);
  if (isTaken(subnet)) {
    const who = "another testbed, or whatever else has it";
    throw new OperatorError(`this testbed's addresses, ${subnet}.0/24, are in use; end ${who}, first`);
  }
  if (known === undefined) await writeDurably(memory, `${subnet}\n`);
  return subnet;
}

const FIRST_SUBNET = 77;
const SUBNETS = 50;

/** The first of 10.77.0, 10.78.0, … in which this machine has no address, beginning with the one at `from`. */
function freeSubnet(from: number): string {
  const subnets = Array.from({ length: SUBNETS }, (_, i) => `10.${FIRST_SUBNET + ((from + i) % SUBNETS)}.0`);
  const free = subnets.find((subnet) => !isTaken(subnet));
  if (!free) throw new OperatorError("no 10.x.0.0/24 from 10.77 on is free for the nodes' bridge");
  return free;
}

function isTaken(subnet: string): boolean {
  const addresses = Object.values(networkInterfaces()).flatMap((known) => known ?? []);
  return addresses.some(({ address }) => address.startsWith(`${subnet}.`));
}
