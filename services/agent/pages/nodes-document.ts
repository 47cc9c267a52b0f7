import type { Share } from "#shared/model/resources.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import { field, group, type Part } from "#shared/wire/element.ts";
import type { Advertisement } from "../store/issuing/advertisements.ts";

/** What stands before the nodes: whose document it is, and of when. */
export type NodesHead = {
  readonly agent: string;
  readonly version: string;
  readonly now: Instant;
  /** Per mille. */
  readonly overbooking: number;
};

/**
 * Everything the agent advertises as one XML document (paper §4.2.1: what is known of the nodes "is aggregated at the
 * agent and made available as an XML document"), a piece for each page of advertisements. It says nothing that getads
 * does not. docs/reference/agent-web.md describes it.
 */
export async function* nodesDocument(
  head: NodesHead,
  pages: AsyncIterable<readonly Advertisement[]>,
): AsyncGenerator<string, void> {
  // With the first page: until that is there, nothing is sent that could not become an error page.
  let before = headText(head);
  for await (const page of pages) {
    yield before + page.map((ad) => `${nodePart(ad)}\n`).join("");
    before = "";
  }
  yield `${before}</nodes>\n`;
}

function headText({ agent, version, now, overbooking }: NodesHead): string {
  const fields = [
    field("agent_sha256", agent),
    field("agent_version", version),
    field("as_of_time", formatInstant(now)),
    field("overbooking", overbooking),
  ];
  return `<?xml version="1.0" encoding="UTF-8"?>\n<nodes version="1">\n${fields.join("")}\n`;
}

function nodePart(ad: Advertisement): Part {
  return group("node", [
    field("node_sha256", ad.node),
    field("ip", ad.ip),
    field("sslport", ad.sslport),
    field("site", ad.site),
    wherePart(ad),
    group("engines", ad.engines.map(enginePartOf(ad))),
    group(
      "images",
      ad.images.map((image) => field("image", image)),
    ),
    field("simulated", String(ad.simulated)),
    sharePart("resources", ad.resources),
    sharePart("free", ad.free),
    field("overbooking", ad.overbooking),
    field("held_until_time", formatInstant(ad.until)),
    field("heard_time", timeText(ad.heard)),
    field("liveness", ad.liveness),
    field("load", ad.load),
    field("cpus", ad.cpus),
    field("monitored_time", timeText(ad.monitored)),
  ]);
}

function timeText(instant: Instant | undefined): string | undefined {
  return instant === undefined ? undefined : formatInstant(instant);
}

function wherePart({ latitude, longitude, country, region, tags }: Advertisement): Part {
  return group("where", [
    field("latitude", latitude),
    field("longitude", longitude),
    field("country", country),
    field("region", region),
    ...tags.map((tag) => field("tag", tag)),
  ]);
}

function enginePartOf({ abilities }: Advertisement): (engine: string) => Part {
  const byEngine = new Map(abilities.map((one) => [one.engine as string, one.abilities]));
  return (engine) =>
    group("engine", [
      field("name", engine),
      ...(byEngine.get(engine) ?? []).map((ability) => field("ability", ability)),
    ]);
}

function sharePart(name: string, share: Share): Part {
  return group(name, [
    field("cpu_millis", share.cpuMillis),
    field("memory_mib", share.memoryMib),
    field("disk_mib", share.diskMib),
    field("egress_kbps", share.egressKbps),
    field("slivers", share.slivers),
  ]);
}
