import type { Instant } from "#shared/model/time.ts";
import { lasting } from "#shared/web/age.ts";
import { toned } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import type { Fact, Page } from "#shared/web/page.ts";
import { type Table, table } from "#shared/web/table.ts";
import type { DumpHost, DumpMetric } from "#shared/wire/ganglia/host.ts";
import type { HostMetric } from "#shared/wire/ganglia/host-metric.ts";

/** What a monitor knows just now, as its page shows it. */
export type MonitorView = {
  readonly now: Instant;
  readonly version: string;
  readonly node: { readonly name: string; readonly ip: string; readonly location: string };
  /** What it sees of its own node, and what others on that node say. */
  readonly own: readonly HostMetric[];
  readonly heard: readonly DumpMetric[];
  readonly hosts: readonly DumpHost[];
};

/** Ganglia's: a host that missed four heartbeats is down. */
const MISSED = 4;

/** The monitor's page: its own node, and the hosts it hears. Nobody vouches for what it hears. */
export function overviewPage({ now, version, node, own, heard, hosts }: MonitorView): Page {
  const down = hosts.filter(isDown).length;
  return {
    title: `Monitor of ${node.name}`,
    now,
    lead: html`${node.ip} · ${node.location} · version ${version}`,
    facts: [
      { key: "metrics", title: "Numbers of this node", value: own.length },
      { key: "told", title: "Told of it by others on it", value: heard.length },
      { key: "hosts", title: "Other hosts heard", value: hosts.length },
      downFact(down),
    ],
    parts: [metricTable(own, heard), hostTable(hosts)],
  };
}

function isDown({ tn, tmax }: DumpHost): boolean {
  return tn > MISSED * tmax;
}

function downFact(down: number): Fact {
  return {
    ...{ key: "down", title: "Of those, silent", value: down },
    show: toned(down === 0 ? "good" : "bad", down),
  };
}

type Row = { readonly name: string; readonly value: string; readonly units: string; readonly group: string };

function metricTable(own: readonly HostMetric[], heard: readonly DumpMetric[]): Table {
  const rows: Row[] = [
    ...own.map(({ name, value, metadata }) => ({ name, value, ...kindOf(metadata) })),
    ...heard.map((metric) => ({ name: metric.name, value: metric.value, ...kindOf(metric) })),
  ];
  return table<Row>({
    ...{ id: "metrics", title: "This node", empty: "It was not looked at yet.", rows },
    columns: [
      { key: "name", title: "Metric", value: ({ name }) => name },
      { key: "value", title: "Value", value: ({ value }) => numeric(value) },
      { key: "units", title: "Unit", value: ({ units }) => units.trim() || undefined },
      { key: "group", title: "Group", value: ({ group }) => group || undefined },
    ],
  });
}

function kindOf({ units, extra }: Pick<DumpMetric, "units" | "extra">): Pick<Row, "units" | "group"> {
  return { units, group: extra.find(([name]) => name === "GROUP")?.[1] ?? "" };
}

/** So that numbers sort as such beside texts. */
function numeric(value: string): string | number {
  return /^-?\d{1,15}(\.\d{1,15})?$/.test(value) ? Number(value) : value;
}

function hostTable(hosts: readonly DumpHost[]): Table {
  return table<DumpHost>({
    ...{ id: "hosts", title: "Other hosts", empty: "It has heard of no other host.", rows: hosts },
    columns: [
      { key: "host", title: "Host", value: ({ name }) => name },
      { key: "ip", title: "Address", value: ({ ip }) => ip },
      {
        ...{ key: "silent_seconds", title: "Heard", value: ({ tn }) => tn },
        show: (host) => toned(isDown(host) ? "bad" : "good", `${lasting(host.tn)} ago`),
      },
      { key: "load", title: "Load", value: (host) => metricOf(host, "load_one") },
      { key: "cpus", title: "Processors", value: (host) => metricOf(host, "cpu_num") },
      { key: "metrics", title: "Metrics", value: ({ metrics }) => metrics.length },
      { key: "location", title: "Where", value: ({ location }) => location },
    ],
  });
}

function metricOf({ metrics }: DumpHost, name: string): string | number | undefined {
  const found = metrics.find((metric) => metric.name === name);
  return found && numeric(found.value);
}
