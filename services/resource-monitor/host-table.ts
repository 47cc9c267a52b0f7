import type { DumpHost, DumpMetric, HostName } from "#shared/wire/ganglia/host.ts";
import { type Metadata, type Packet, valueText } from "#shared/wire/ganglia/packet.ts";

/** How much a table takes in. What comes beyond is not kept; what is there stays. */
export type TableLimits = {
  readonly hosts: number;
  readonly metricsOfHost: number;
  /** Of all texts together, about. */
  readonly bytes: number;
  /** Hosts that were silent for longer are forgotten. */
  readonly forgetSeconds: number;
};

/** Now: by the clock people read, and by the one nobody can set, which ages are counted by. */
export type Moment = { readonly now: number; readonly uptimeMs: number };

/** Why nothing was kept. */
export type Refusal = "hosts_full" | "metrics_full" | "bytes_full" | "bad_heartbeat";

type Metric = {
  metadata?: Metadata;
  value?: string;
  /** When the last value came. */
  at: number;
  /** When somebody was last asked what it means. */
  askedAt?: number;
  bytes: number;
};
type Host = { readonly of: HostName; readonly metrics: Map<string, Metric>; at: number } & HostFacts;
type HostFacts = { started: number; location: string };

const ASK_AGAIN_MILLISECONDS = 60_000;
/** Ganglia's: heartbeats come at least this often, and a host is down when four were missed. */
const HOST_TMAX_SECONDS = 20;
/** What entries, texts and pairs of them cost in memory beside their characters, measured. */
const ENTRY_BYTES = 300;
const TEXT_BYTES = 28;
const PAIR_BYTES = 40;

/** The hosts heard of and their metrics, in memory, within limits whatever is sent. */
export class HostTable {
  readonly #hosts = new Map<string, Host>();
  readonly #limits: TableLimits;
  #bytes = 0;

  constructor(limits: TableLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#hosts.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes in what a packet says of a host; a refusal tells what was in the way, and nothing has changed then. */
  record(of: HostName, packet: Exclude<Packet, { kind: "request" }>, uptimeMs: number): Refusal | undefined {
    const key = `${of.ip} ${of.name}`;
    const host = this.#hosts.get(key) ?? newHost(of, uptimeMs);
    const isNew = !this.#hosts.has(key);
    if (isNew && this.#hosts.size >= this.#limits.hosts) return "hosts_full";
    const added = isNew ? ENTRY_BYTES + key.length : 0;
    const refusal = this.#recordIn(host, packet, uptimeMs, added);
    if (refusal) return refusal;
    if (isNew) this.#hosts.set(key, host);
    host.at = uptimeMs;
    return undefined;
  }

  /** Whether a value of this metric came, it is not known what it means, and nobody was asked within the minute. */
  isUnexplained(of: HostName, name: string, uptimeMs: number): boolean {
    const metric = this.#metricOf(of, name);
    if (!metric || metric.metadata || FACTS.includes(name)) return false;
    return metric.askedAt === undefined || uptimeMs - metric.askedAt >= ASK_AGAIN_MILLISECONDS;
  }

  /** The same, and remembers that it is now asked. */
  asks(of: HostName, name: string, uptimeMs: number): boolean {
    if (!this.isUnexplained(of, name, uptimeMs)) return false;
    this.#metricOf(of, name)!.askedAt = uptimeMs;
    return true;
  }

  #metricOf({ ip, name: host }: HostName, name: string): Metric | undefined {
    return this.#hosts.get(`${ip} ${host}`)?.metrics.get(name);
  }

  #recordIn(
    host: Host,
    packet: Exclude<Packet, { kind: "request" }>,
    at: number,
    added: number,
  ): Refusal | undefined {
    const value = packet.kind === "value" ? valueText(packet) : undefined;
    const facts = value === undefined ? {} : factsOf(packet.id.name, value);
    if (!facts) return "bad_heartbeat";
    const old = host.metrics.get(packet.id.name);
    if (!old && host.metrics.size >= this.#limits.metricsOfHost) return "metrics_full";
    const metric: Metric = {
      ...old,
      ...(packet.kind === "metadata" && { metadata: packet.metadata }),
      ...(value !== undefined && { value, at }),
      at: value === undefined ? (old?.at ?? at) : at,
      bytes: 0,
    };
    metric.bytes = bytesOf(packet.id.name, metric);
    const grown = added + metric.bytes - (old?.bytes ?? 0);
    if (grown > 0 && this.#bytes + grown > this.#limits.bytes) return "bytes_full";
    this.#bytes += grown;
    host.metrics.set(packet.id.name, metric);
    Object.assign(host, facts);
    return undefined;
  }

  /** Forgets hosts that were silent for too long, and metrics older than their own DMAX. */
  forget(uptimeMs: number): void {
    for (const [key, host] of this.#hosts) {
      if (uptimeMs - host.at > this.#limits.forgetSeconds * 1000) this.#forgetHost(key, host);
      else this.#forgetMetrics(host, uptimeMs);
    }
  }

  #forgetHost(key: string, host: Host): void {
    for (const metric of host.metrics.values()) this.#bytes -= metric.bytes;
    this.#bytes -= ENTRY_BYTES + key.length;
    this.#hosts.delete(key);
  }

  #forgetMetrics({ metrics }: Host, uptimeMs: number): void {
    for (const [name, metric] of metrics) {
      if (!isOver(metric, uptimeMs, this.#limits.forgetSeconds)) continue;
      this.#bytes -= metric.bytes;
      metrics.delete(name);
    }
  }

  /** The hosts as they are when each is asked for: the table may change in between. */
  *hosts(moment: () => Moment): Generator<DumpHost> {
    for (const host of this.#hosts.values()) yield dumpHost(host, moment(), this.#limits.forgetSeconds);
  }
}

function newHost(of: HostName, at: number): Host {
  return { of, metrics: new Map(), at, started: 0, location: "" };
}

/** Metrics of Ganglia's that say something of the host itself, and are not shown beside the others. */
const FACTS: readonly string[] = ["heartbeat", "location"];

/** What a value says of the host itself; undefined of a heartbeat that is no instant. */
function factsOf(name: string, value: string): Partial<HostFacts> | undefined {
  if (name === "location") return { location: value.slice(0, 255) };
  if (name !== "heartbeat") return {};
  return /^\d{1,12}$/.test(value) ? { started: Number(value) } : undefined;
}

function bytesOf(name: string, { metadata, value = "" }: Metric): number {
  const extra = metadata?.extra ?? [];
  const texts = [name, value, metadata?.units ?? "", ...extra.flat()];
  const fixed = ENTRY_BYTES + extra.length * PAIR_BYTES;
  return texts.reduce((sum, text) => sum + TEXT_BYTES + text.length, fixed);
}

/** A metric without metadata is not shown, so it need not stay long either. */
function isOver({ metadata, at }: Metric, uptimeMs: number, forgetSeconds: number): boolean {
  const seconds = metadata && metadata.dmax > 0 ? metadata.dmax : forgetSeconds;
  return uptimeMs - at > seconds * 1000;
}

function dumpHost(host: Host, { now, uptimeMs }: Moment, forgetSeconds: number): DumpHost {
  const tn = secondsSince(host.at, uptimeMs);
  const metrics = [...host.metrics].flatMap(([name, metric]) => {
    const shown = !FACTS.includes(name) && !isOver(metric, uptimeMs, forgetSeconds);
    return shown ? dumpMetric(name, metric, uptimeMs) : [];
  });
  return {
    name: host.of.name,
    ip: host.of.ip,
    location: host.location,
    tags: "",
    reported: now - tn,
    tn,
    tmax: HOST_TMAX_SECONDS,
    dmax: forgetSeconds,
    started: host.started,
    metrics,
  };
}

function dumpMetric(name: string, { metadata, value, at }: Metric, uptimeMs: number): DumpMetric[] {
  if (!metadata || value === undefined) return [];
  return [{ ...metadata, name, value, tn: secondsSince(at, uptimeMs) }];
}

function secondsSince(at: number, uptimeMs: number): number {
  return Math.max(0, Math.floor((uptimeMs - at) / 1000));
}
