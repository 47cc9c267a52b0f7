import { DOCTYPE } from "./doctype.ts";
import type { DumpHost, DumpMetric } from "./host.ts";

/** What is said around the hosts of a dump. */
export type DumpFrame = {
  readonly version: string;
  readonly cluster: string;
  readonly owner: string;
  readonly latlong: string;
  readonly url: string;
  /** Now, by the writer's clock. */
  readonly localtime: number;
};

/** The XML dump, piece by piece, a host at a time, so that nobody needs all of it in memory. ASCII alone. */
export function* dumpText(frame: DumpFrame, hosts: Iterable<DumpHost>): Generator<string> {
  const { version, cluster, localtime, owner, latlong, url } = frame;
  yield `<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?>\n${DOCTYPE}\n`;
  yield `<GANGLIA_XML${attributes({ VERSION: version, SOURCE: "gmond" })}>\n`;
  const named = { NAME: cluster, LOCALTIME: localtime, OWNER: owner, LATLONG: latlong, URL: url };
  yield `<CLUSTER${attributes(named)}>\n`;
  for (const host of hosts) yield hostText(host);
  yield "</CLUSTER>\n</GANGLIA_XML>\n";
}

function hostText(host: DumpHost): string {
  const open = attributes({
    NAME: host.name,
    IP: host.ip,
    TAGS: host.tags,
    REPORTED: host.reported,
    TN: host.tn,
    TMAX: host.tmax,
    DMAX: host.dmax,
    LOCATION: host.location,
    GMOND_STARTED: host.started,
  });
  return `<HOST${open}>\n${host.metrics.map(metricText).join("")}</HOST>\n`;
}

function metricText(metric: DumpMetric): string {
  const open = attributes({
    NAME: metric.name,
    VAL: metric.value,
    TYPE: metric.type,
    UNITS: metric.units,
    TN: metric.tn,
    TMAX: metric.tmax,
    DMAX: metric.dmax,
    // The DOCTYPE knows no other slope; gmond writes this one all the same.
    SLOPE: metric.slope === "derivative" ? "positive" : metric.slope,
  });
  const extras = metric.extra.map(
    ([name, value]) => `<EXTRA_ELEMENT${attributes({ NAME: name, VAL: value })}/>\n`,
  );
  return `<METRIC${open}>\n<EXTRA_DATA>\n${extras.join("")}</EXTRA_DATA>\n</METRIC>\n`;
}

function attributes(named: Readonly<Record<string, string | number>>): string {
  return Object.entries(named)
    .map(([name, value]) => ` ${name}="${typeof value === "number" ? value : attribute(value)}"`)
    .join("");
}

const SPECIAL = /[^ !#-%'-;=?-~]/gu;

/** References by number for all that is special or not ASCII, so that the dump's declared encoding doesn't matter. */
function attribute(text: string): string {
  return text.replace(SPECIAL, (character) => `&#${character.codePointAt(0)};`);
}
