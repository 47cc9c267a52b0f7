import { SaxesParser } from "saxes";
import { Fault, refuseUnless } from "../../model/errors.ts";
import type { DumpHost, DumpMetric } from "./host.ts";
import { METRIC_TYPES, type MetricType, SLOPES, type Slope } from "./packet.ts";

/** What a dump may be at most. */
export type DumpLimits = {
  readonly maxBytes: number;
  readonly maxMetricsOfHost: number;
};

const LIMITS: DumpLimits = { maxBytes: 1024 ** 3, maxMetricsOfHost: 5000 };
const MAX_DEPTH = 32;
const MAX_EXTRAS = 64;
/** A host is kept until it is whole: 5,000 metrics of what gmond says of one, more than twice. */
const MAX_HOST_BYTES = 8 * 1024 ** 2;
/** More than any DOCTYPE or element has; whatever is longer would be gathered in memory. */
const MAX_MARKUP_BYTES = 64 * 1024;

type Open<T> = { -readonly [Name in keyof T]: T[Name] };
type OpenMetric = Open<Omit<DumpMetric, "extra">> & { extra: [string, string][] };
type OpenHost = Open<Omit<DumpHost, "metrics">> & { metrics: OpenMetric[] };
type Attributes = Readonly<Record<string, string>>;

/**
 * Reads the dump of a gmond or gmetad as it comes, and gives each host once it is whole; nothing more than one host and
 * one chunk is kept. A dump that is not well-formed or ends early throws MALFORMED, after the hosts before that place;
 * one beyond its limits, TOO_LARGE. Summaries of gmetad's are passed over.
 */
export async function* readDump(
  chunks: AsyncIterable<Buffer>,
  limits: Partial<DumpLimits> = {},
): AsyncGenerator<DumpHost> {
  const { maxBytes, maxMetricsOfHost } = { ...LIMITS, ...limits };
  const reading = new DumpReading(maxMetricsOfHost);
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    refuseUnless(bytes <= maxBytes, "TOO_LARGE", `the dump is longer than ${maxBytes} bytes`);
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      yield* reading.write(chunk.subarray(at, at + PIECE_BYTES));
    }
  }
  reading.end();
}

const PIECE_BYTES = 16 * 1024;

class DumpReading {
  readonly #parser = new SaxesParser({ xmlns: false, fragment: false, position: false });
  readonly #maxMetrics: number;
  readonly #path: string[] = [];
  #whole: DumpHost[] = [];
  #cluster: string | undefined;
  #host: OpenHost | undefined;
  #sinceMarkup = 0;
  /** Since the host that is open began. */
  #hostBytes = 0;

  constructor(maxMetrics: number) {
    this.#maxMetrics = maxMetrics;
    this.#parser.on("error", (cause) => {
      throw new Fault("MALFORMED", "the dump is not well-formed XML", { cause });
    });
    this.#parser.on("xmldecl", ({ encoding = "ISO-8859-1" }) => {
      const known = /^(iso-8859-1|us-ascii)$/i.test(encoding);
      refuseUnless(known, "MALFORMED", "the dump is not encoded as Ganglia's are, in ISO-8859-1");
    });
    this.#parser.on("opentag", ({ name, attributes }) => this.#open(name, attributes));
    this.#parser.on("closetag", ({ name }) => this.#close(name));
  }

  /** The hosts that became whole by this piece. */
  write(bytes: Buffer): readonly DumpHost[] {
    this.#sinceMarkup += bytes.length;
    this.#hostBytes += bytes.length;
    this.#parser.write(bytes.toString("latin1"));
    refuseUnless(this.#sinceMarkup <= MAX_MARKUP_BYTES, "TOO_LARGE", "an element of the dump has no end");
    const kept = this.#host ? this.#hostBytes : 0;
    refuseUnless(
      kept <= MAX_HOST_BYTES,
      "TOO_LARGE",
      `a host of the dump is longer than ${MAX_HOST_BYTES} bytes`,
    );
    const whole = this.#whole;
    this.#whole = [];
    return whole;
  }

  end(): void {
    this.#parser.close();
  }

  #open(name: string, attributes: Attributes): void {
    this.#sinceMarkup = 0;
    if (this.#path.length === 0)
      refuseUnless(name === "GANGLIA_XML", "MALFORMED", "this is no dump of Ganglia's");
    this.#path.push(name);
    refuseUnless(this.#path.length <= MAX_DEPTH, "TOO_LARGE", `the dump is deeper than ${MAX_DEPTH}`);
    if (name === "CLUSTER") this.#cluster = required(attributes, "NAME");
    else if (name === "HOST") this.#openHost(attributes);
    else if (name === "METRIC") this.#openMetric(attributes);
    else if (name === "EXTRA_ELEMENT") this.#extra(attributes);
  }

  #close(name: string): void {
    this.#sinceMarkup = 0;
    this.#path.pop();
    if (name === "CLUSTER") this.#cluster = undefined;
    if (name !== "HOST" || !this.#host) return;
    this.#whole.push(this.#host);
    this.#host = undefined;
  }

  #openHost(attributes: Attributes): void {
    refuseUnless(!this.#host, "MALFORMED", "a host of the dump stands within a host");
    this.#hostBytes = 0;
    this.#host = {
      ...(this.#cluster !== undefined && { cluster: this.#cluster }),
      name: required(attributes, "NAME"),
      ip: required(attributes, "IP"),
      location: attributes.LOCATION ?? "",
      tags: attributes.TAGS ?? "",
      reported: count(attributes, "REPORTED"),
      tn: count(attributes, "TN"),
      tmax: count(attributes, "TMAX"),
      dmax: count(attributes, "DMAX"),
      started: count(attributes, "GMOND_STARTED"),
      metrics: [],
    };
  }

  #openMetric(attributes: Attributes): void {
    const metrics = this.#host?.metrics;
    refuseUnless(metrics, "MALFORMED", "a metric of the dump stands outside any host");
    const full = metrics.length >= this.#maxMetrics;
    refuseUnless(!full, "TOO_LARGE", `a host of the dump has more than ${this.#maxMetrics} metrics`);
    metrics.push({
      name: required(attributes, "NAME"),
      value: required(attributes, "VAL"),
      type: typeOf(required(attributes, "TYPE")),
      units: attributes.UNITS ?? "",
      slope: slopeOf(attributes.SLOPE),
      tn: count(attributes, "TN"),
      tmax: count(attributes, "TMAX"),
      dmax: count(attributes, "DMAX"),
      extra: [],
    });
  }

  #extra(attributes: Attributes): void {
    const metric = this.#host?.metrics.at(-1);
    if (!metric) return; // of a summary
    const full = metric.extra.length >= MAX_EXTRAS;
    refuseUnless(!full, "TOO_LARGE", `a metric of the dump has more than ${MAX_EXTRAS} extra elements`);
    metric.extra.push([required(attributes, "NAME"), attributes.VAL ?? ""]);
  }
}

function required(attributes: Attributes, name: string): string {
  const value = attributes[name];
  refuseUnless(value !== undefined, "MALFORMED", `an element of the dump lacks ${name}`);
  return value;
}

/** Seconds or an instant; 0 where there is none, or where the writer's clock was set back. */
function count(attributes: Attributes, name: string): number {
  const text = attributes[name] ?? "0";
  refuseUnless(/^-?\d{1,15}$/.test(text), "MALFORMED", `${name} of an element of the dump is no number`);
  return Math.max(0, Number(text));
}

function typeOf(text: string): MetricType {
  const type = METRIC_TYPES.find((known) => known === text);
  refuseUnless(type, "MALFORMED", "a metric of the dump has a type that is not Ganglia's");
  return type;
}

function slopeOf(text: string | undefined): Slope {
  return SLOPES.find((known) => known === text) ?? "unspecified";
}
