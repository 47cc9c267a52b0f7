import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import type { Log } from "#shared/runtime/log.ts";
import type { HostName } from "#shared/wire/ganglia/host.ts";
import {
  type MetadataPacket,
  type MetricId,
  type Packet,
  readPacket,
  type ValuePacket,
} from "#shared/wire/ganglia/packet.ts";
import type { HostTable, Refusal } from "./host-table.ts";
import type { PacketRate } from "./packet-rate.ts";

/** Why a packet was dropped. */
export type Drop = Refusal | "rate" | "sender" | "malformed" | "own_name";

/** What became of all packets so far. */
export type ReceiverCounts = { readonly taken: number; readonly dropped: ReadonlyMap<Drop, number> };

export type ReceiverOptions = {
  readonly address: string;
  readonly port: number;
  /** An IPv4 multicast group that is listened to, too. */
  readonly join?: string;
  /** Addresses, or networks like 10.0.0.0/8, that are listened to; empty: all. */
  readonly from: readonly string[];
  /** This node: nobody elsewhere speaks for it. */
  readonly own: HostName;
  /** Takes in what somebody on this node says of it. */
  readonly onOwn: (packet: MetadataPacket | ValuePacket) => Drop | undefined;
  readonly table: HostTable;
  /** Called when a value was kept. */
  readonly onValue: (of: HostName, id: MetricId) => void;
  readonly rate: PacketRate;
  readonly uptime: () => number;
  /** Called when somebody asks what this node's metrics mean. */
  readonly onRequest: () => void;
  readonly log: Log;
};

export type Receiver = AsyncDisposable & { readonly port: number; counts(): ReceiverCounts };

/** What the kernel is asked to hold of packets that come at once; it gives what its own bound allows. */
const BURST_BYTES = 4 * 2 ** 20;

/** Hears Ganglia's packets on UDP. What is sent here can fill the table within its limits, and do nothing else. */
export async function startReceiver(options: ReceiverOptions): Promise<Receiver> {
  const { address, port, join, rate, uptime, log } = options;
  const allowed = networks(options.from);
  const here = networks(["127.0.0.0/8", "::1", ...ownAddresses()])!;
  const dropped = new Map<Drop, number>();
  let taken = 0;
  await using owned = new AsyncDisposableStack();

  function take(bytes: Buffer, { address: sender }: RemoteInfo): void {
    const drop = !rate.admits(sender, uptime())
      ? "rate"
      : receive(bytes, sender, { ...options, allowed, here });
    if (drop) dropped.set(drop, (dropped.get(drop) ?? 0) + 1);
    else taken += 1;
  }

  async function listen(at: string, port: number): Promise<Socket> {
    const type = isIPv6(at) ? "udp6" : "udp4";
    const socket = createSocket({ type, reuseAddr: at !== address, recvBufferSize: BURST_BYTES });
    owned.defer(() => closed(socket));
    socket.on("message", take);
    socket.bind({ address: at, port });
    await once(socket, "listening");
    socket.on("error", (err) => log.warn({ err }, "a packet could not be received"));
    return socket;
  }

  const { port: chosen } = (await listen(address, port)).address();
  // Bound to the group itself, it takes what is sent there and nothing else.
  if (join) (await listen(join, chosen)).addMembership(join, isIPv4(address) ? address : undefined);
  const kept = owned.move();
  return {
    port: chosen,
    counts: () => ({ taken, dropped }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

type Rules = ReceiverOptions & {
  /** Who is listened to; absent: everybody. */
  readonly allowed: BlockList | undefined;
  /**
   * This machine's addresses. Packets from elsewhere do not bear them: the kernel drops what comes in from outside with
   * one of its own addresses as the sender's.
   */
  readonly here: BlockList;
};

function receive(bytes: Buffer, sender: string, rules: Rules): Drop | undefined {
  const { allowed, here, own, onOwn, table, uptime, onRequest, onValue } = rules;
  const isHere = isOf(here, sender);
  const isAllowed = !allowed || isOf(allowed, sender);
  if (!isHere && !isAllowed) return "sender";
  let packet: Packet;
  let host: HostName;
  try {
    packet = readPacket(bytes);
    host = hostOf(packet.id, sender);
  } catch (error) {
    if (error instanceof Fault) return "malformed";
    throw error;
  }
  const isOwn = host.name === own.name && host.ip === own.ip;
  if (!isOwn && !isAllowed) return "sender";
  if (packet.kind === "request") {
    if (packet.id.host === own.name || isOwn) onRequest();
    return undefined;
  }
  if (isOwn) return isHere ? onOwn(packet) : "own_name";
  const refusal = table.record(host, packet, uptime());
  if (!refusal && packet.kind === "value") onValue(host, packet.id);
  return refusal;
}

/** Those of this machine's interfaces: the node's configured one may be somebody else's to send from, behind a NAT. */
function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((some) => (some ?? []).map(({ address }) => address));
}

function isOf(list: BlockList, address: string): boolean {
  return list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

/** Who is spoken of. A spoofed host is "ADDRESS:NAME", where an IPv6 address has colons of its own. */
function hostOf({ host, spoof }: MetricId, sender: string): HostName {
  if (!spoof) return { ip: sender, name: host };
  const colon = host.lastIndexOf(":");
  const [ip, name] = [host.slice(0, colon), host.slice(colon + 1)];
  if (colon < 0 || !isIP(ip) || !name) throw new Fault("MALFORMED", "the host is no ADDRESS:NAME");
  return { ip, name };
}

function networks(from: readonly string[]): BlockList | undefined {
  if (from.length === 0) return undefined;
  const list = new BlockList();
  for (const network of from) {
    const [address = "", bits] = network.split("/");
    if (!isIP(address)) throw new OperatorError(`"${network}" is no address or network to listen to`);
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    const widest = family === "ipv6" ? 128 : 32;
    const prefix = bits === undefined ? widest : Number(bits);
    if (!/^\d+$/.test(bits ?? "0") || prefix > widest)
      throw new OperatorError(`"${network}" is no address or network to listen to`);
    list.addSubnet(address, prefix, family);
  }
  return list;
}

async function closed(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.close(() => resolve());
  await promise;
}
