import type { Clock } from "#shared/runtime/clock.ts";
import type { DumpHost, DumpMetric, HostName } from "#shared/wire/ganglia/host.ts";
import { type HostMetric, metadataPacket, valuePacket } from "#shared/wire/ganglia/host-metric.ts";
import type { MetadataPacket, ValuePacket } from "#shared/wire/ganglia/packet.ts";
import type { ClockState } from "./clock-state.ts";
import { HostTable, type Moment, type Refusal } from "./host-table.ts";
import { nodeMetrics } from "./node-metrics.ts";
import { type NodeReading, readNode } from "./node-reading.ts";

export type OwnHostOptions = {
  readonly of: HostName;
  readonly location: string;
  /** Where the kernel tells of the node: /proc. */
  readonly proc: string;
  /** The file system that slivers' disks are on. */
  readonly disk: string;
  readonly clock: Clock;
  /** How well the machine's clock goes. */
  readonly clockState: () => ClockState | undefined;
  /** Seconds within which the node is looked at again. */
  readonly tmax: number;
  /** Seconds after which others may forget it. */
  readonly forgetSeconds: number;
  /** How many metrics are taken from others on the node, such as its node manager. */
  readonly metricsHeard: number;
};

/** What is announced of the node at one time. */
export type Announced = {
  readonly metadata: readonly MetadataPacket[];
  readonly values: readonly ValuePacket[];
};

/** More than one node has of its own. */
const LOOKED = { hosts: 1, metricsOfHost: 1000, bytes: 2 ** 20 };
/** What may be heard of one: some 700 bytes a metric. */
const HEARD = { hosts: 1, bytes: 8 * 2 ** 20 };
const HEARTBEAT_TMAX_SECONDS = 20;

/**
 * The node this monitor runs on, as it last was, and what others on the node say of it. Held apart from what is sent of
 * other hosts, so that no flood crowds it out. What the monitor sees for itself nobody else can say.
 */
export class OwnHost {
  readonly #options: OwnHostOptions;
  readonly #looked: HostTable;
  readonly #heard: HostTable;
  readonly #started: number;
  /** Names of all that was ever seen here. */
  readonly #seen = new Set<string>();
  #before: { readonly reading: NodeReading; readonly uptimeMs: number } | undefined;
  #metrics: readonly HostMetric[] = [];

  constructor(options: OwnHostOptions) {
    const { clock, forgetSeconds, metricsHeard } = options;
    this.#options = options;
    this.#looked = new HostTable({ ...LOOKED, forgetSeconds });
    this.#heard = new HostTable({ ...HEARD, metricsOfHost: metricsHeard, forgetSeconds });
    this.#started = clock.now();
  }

  /** Numbers and texts of the last look. */
  get metrics(): readonly HostMetric[] {
    return this.#metrics;
  }

  /** What others on the node say of it now. */
  get heard(): readonly DumpMetric[] {
    const [host] = this.#heard.hosts(this.#moment);
    return (host?.metrics ?? []).filter(({ name }) => !this.#seen.has(name));
  }

  /** Looks at the node, and gives what is to be told of it, the heartbeat first. */
  async look(): Promise<Announced> {
    const { proc, disk, clock, clockState, tmax, of } = this.#options;
    const reading = await readNode(proc, disk, clockState);
    const uptimeMs = clock.uptime();
    const seconds = this.#before ? (uptimeMs - this.#before.uptimeMs) / 1000 : 0;
    this.#metrics = nodeMetrics(reading, this.#before?.reading, seconds, tmax);
    this.#before = { reading, uptimeMs };
    const told = [...this.#facts(), ...this.#metrics];
    for (const { name } of told) this.#seen.add(name);
    const announced = {
      metadata: told.map((metric) => metadataPacket(of, metric)),
      values: told.map((metric) => valuePacket(of, metric)),
    };
    for (const packet of [...announced.metadata, ...announced.values])
      this.#looked.record(of, packet, uptimeMs);
    this.#heard.forget(uptimeMs);
    return announced;
  }

  /** Takes in what somebody on the node says of it, within limits. A refusal tells what was in the way. */
  hear(packet: MetadataPacket | ValuePacket): Refusal | "own_name" | undefined {
    if (this.#seen.has(packet.id.name)) return "own_name";
    return this.#heard.record(this.#options.of, packet, this.#options.clock.uptime());
  }

  *hosts(): Generator<DumpHost> {
    for (const host of this.#looked.hosts(this.#moment))
      yield { ...host, metrics: [...host.metrics, ...this.heard] };
  }

  readonly #moment = (): Moment => {
    const { clock } = this.#options;
    return { now: clock.now(), uptimeMs: clock.uptime() };
  };

  #facts(): readonly HostMetric[] {
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
