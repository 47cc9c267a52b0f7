import type { Clock } from "#shared/runtime/clock.ts";
import type { DumpHost } from "#shared/wire/ganglia/host.ts";
import type { MetadataPacket, MetricId, ValuePacket } from "#shared/wire/ganglia/packet.ts";
import { type HostName, HostTable } from "./host-table.ts";
import { type NodeMetric, nodeMetrics } from "./node-metrics.ts";
import { type NodeReading, readNode } from "./node-reading.ts";

export type OwnHostOptions = {
  readonly of: HostName;
  readonly location: string;
  /** Where the kernel tells of the node: /proc. */
  readonly proc: string;
  /** The file system that slivers' disks are on. */
  readonly disk: string;
  readonly clock: Clock;
  /** Seconds within which the node is looked at again. */
  readonly tmax: number;
  /** Seconds after which others may forget it. */
  readonly forgetSeconds: number;
};

/** What is announced of the node at one time. */
export type Announced = {
  readonly metadata: readonly MetadataPacket[];
  readonly values: readonly ValuePacket[];
};

/** More than one node has; nobody else's packets come in here. */
const LIMITS = { hosts: 1, metricsOfHost: 1000, bytes: 2 ** 20 };
const HEARTBEAT_TMAX_SECONDS = 20;

/** The node this monitor runs on, as it last was. Held apart from what others send, so that no flood crowds it out. */
export class OwnHost {
  readonly #options: OwnHostOptions;
  readonly #table: HostTable;
  readonly #started: number;
  #before: { readonly reading: NodeReading; readonly uptimeMs: number } | undefined;
  #metrics: readonly NodeMetric[] = [];

  constructor(options: OwnHostOptions) {
    this.#options = options;
    this.#table = new HostTable({ ...LIMITS, forgetSeconds: options.forgetSeconds });
    this.#started = options.clock.now();
  }

  /** Numbers and texts of the last look. */
  get metrics(): readonly NodeMetric[] {
    return this.#metrics;
  }

  /** Looks at the node, and gives what is to be told of it, the heartbeat first. */
  async look(): Promise<Announced> {
    const { proc, disk, clock, tmax, of } = this.#options;
    const reading = await readNode(proc, disk);
    const uptimeMs = clock.uptime();
    const seconds = this.#before ? (uptimeMs - this.#before.uptimeMs) / 1000 : 0;
    this.#metrics = nodeMetrics(reading, this.#before?.reading, seconds, tmax);
    this.#before = { reading, uptimeMs };
    const told = [...this.#facts(), ...this.#metrics];
    const announced = {
      metadata: told.map(({ name, metadata }) => ({
        kind: "metadata" as const,
        id: idOf(of, name),
        metadata,
      })),
      values: told.map((metric) => valuePacket(of, metric)),
    };
    for (const packet of [...announced.metadata, ...announced.values])
      this.#table.record(of, packet, uptimeMs);
    return announced;
  }

  hosts(): Iterable<DumpHost> {
    const { clock } = this.#options;
    return this.#table.hosts(() => ({ now: clock.now(), uptimeMs: clock.uptime() }));
  }

  #facts(): readonly NodeMetric[] {
    const metadata = {
      slope: "unspecified" as const,
      tmax: HEARTBEAT_TMAX_SECONDS,
      dmax: 0,
      extra: [["GROUP", "core"]] as const,
    };
    const heartbeat = { ...metadata, type: "uint32" as const, units: "" };
    const location = { ...metadata, type: "string" as const, units: "" };
    return [
      { name: "heartbeat", value: String(this.#started), metadata: heartbeat },
      { name: "location", value: this.#options.location, metadata: location },
    ];
  }
}

/**
 * Told with its address and name: receivers would otherwise name the node by what the resolver makes of the address the
 * packet came from, and nodes behind one address would be one host to them.
 */
function idOf({ ip, name: host }: HostName, name: string): MetricId {
  return { host: `${ip}:${host}`, name, spoof: true };
}

/** A number of which gmond makes use itself goes as such, everything else as its text, as gmetric sends it. */
function valuePacket(of: HostName, { name, value }: NodeMetric): ValuePacket {
  const id = idOf(of, name);
  if (name === "heartbeat") return { kind: "value", id, as: "uint", format: "%u", value: Number(value) };
  return { kind: "value", id, as: "string", format: "%s", value };
}
