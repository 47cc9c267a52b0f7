import type { Instant } from "#shared/model/time.ts";
import type { DumpHost, DumpMetric } from "#shared/wire/ganglia/host.ts";
import type { Condition } from "../store/monitors/conditions.ts";

/** What a node's monitor names the node by: the SHA-256 of its key. */
const NODE_METRIC = "slicelab_node";
/** Its node manager's heartbeat. */
const MANAGER_METRIC = "slicelab_node_manager";

const KEY_NAME = /^[0-9a-f]{64}$/;
const NUMBER = /^\d{1,15}(\.\d{1,15})?$/;
/** Beyond these, a number is a mistake or a lie, and nothing was measured. */
const MOST = { load: 999_999, cpus: 65_535, mib: 2 ** 40, instant: 2 ** 40, bytes: 2 ** 50 };

/** Bytes a second that are one kbit/s. */
const KBPS = 125;

/**
 * What a host of a dump says of itself, as far as it makes sense. Ages are counted from `now`, so that no clocks need
 * agree.
 */
export function conditionOf(host: DumpHost, now: Instant): Condition {
  const metrics = new Map(host.metrics.map((metric) => [metric.name, metric]));
  const load = metrics.get("load_one");
  const cpus = whole(metrics.get("cpu_num"), MOST.cpus);
  const idle = number(metrics.get("cpu_idle"), 100);
  const total = whole(metrics.get("mem_total"), MOST.mib, 1024);
  const available = whole(metrics.get("mem_available"), MOST.mib, 1024);
  return {
    node: keyNameOf(metrics.get(NODE_METRIC)),
    ip: host.ip,
    monitored: before(now, host.tn),
    load: number(load, MOST.load),
    measured: load && before(now, load.tn),
    cpus: cpus === 0 ? undefined : cpus,
    memoryAvailableMib: available,
    memoryUsedMib:
      total === undefined || available === undefined ? undefined : Math.max(0, total - available),
    cpuPercent: idle === undefined ? undefined : 100 - idle,
    receivedKbps: kbps(metrics.get("bytes_in")),
    sentKbps: kbps(metrics.get("bytes_out")),
    booted: whole(metrics.get("boottime"), MOST.instant),
    manager: managerOf(metrics.get(MANAGER_METRIC), now),
  };
}

function keyNameOf(metric: DumpMetric | undefined): string | undefined {
  return metric && KEY_NAME.test(metric.value) ? metric.value : undefined;
}

function managerOf(metric: DumpMetric | undefined, now: Instant): Instant | undefined {
  return metric && before(now, metric.tn);
}

function before(now: Instant, seconds: number): Instant {
  return Math.max(0, now - seconds);
}

function number(metric: DumpMetric | undefined, most: number): number | undefined {
  if (!metric || !NUMBER.test(metric.value)) return undefined;
  const value = Number(metric.value);
  return value <= most ? value : undefined;
}

function whole(metric: DumpMetric | undefined, most: number, unit = 1): number | undefined {
  const value = number(metric, most * unit);
  return value === undefined ? undefined : Math.floor(value / unit);
}

function kbps(metric: DumpMetric | undefined): number | undefined {
  const bytes = number(metric, MOST.bytes);
  return bytes === undefined ? undefined : bytes / KBPS;
}
