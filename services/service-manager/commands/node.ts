import type { Command } from "commander";
import type { Advertisement } from "#services/broker/matching/specification.ts";
import type { Share } from "#shared/model/resources.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import { resourcesStruct } from "#shared/wire/resources-struct.ts";
import { EXIT, type ExitCode } from "../terminal/exit-code.ts";
import { type Listing, shortName } from "../terminal/output.ts";
import { formatDuration } from "../terminal/quantity.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";

export function addNodeCommands(parent: Command, tools: Tools): void {
  const node = parent.command("node").summary("look at the nodes agents advertise");
  withCommonOptions(node.command("list"))
    .description("list the nodes your agents hold resources on, and what is free there")
    .action(async (options: CommonOptions) => {
      await invoke(tools, options, list);
    });
}

async function list(invocation: Invocation): Promise<ExitCode> {
  const [{ advertised, countedTime }, { DEFAULT_LEASE_SECONDS }] = await Promise.all([
    import("#services/broker/acquisition/acquisition.ts"),
    import("#shared/model/slice-description.ts"),
  ]);
  using network = await invocation.network();
  const { now } = invocation;
  const { ads, failures } = await advertised(network.agents, countedTime(DEFAULT_LEASE_SECONDS, now));
  await invocation.print(listing(ads, now));
  for (const failure of failures) invocation.warn(failure.message);
  if (ads.length === 0) invocation.say(noNodes(network.agents.length - failures.length));
  return failures.length === 0 ? EXIT.ok : EXIT.partial;
}

/** Why there is nothing below the header, and what to do. */
function noNodes(answering: number): string {
  const who =
    answering === 1 ? "the agent that answered holds" : `the ${answering} agents that answered hold`;
  return `there are no nodes: ${who} no ticket of any that is in term; ask its administrator (slicelab admin node list), or name further agents in config.toml`;
}

function listing(rows: readonly Advertisement[], now: number): Listing<Advertisement> {
  return {
    rows,
    columns: [
      { header: "NODE", value: ({ node }) => shortName(node) },
      { header: "IP", value: ({ ip }) => ip },
      { header: "SITE", value: ({ site }) => site },
      {
        header: "ENGINES",
        value: ({ engines, simulated }) => `${engines.join(",")}${simulated ? " (simulated)" : ""}`,
      },
      { header: "FREE CPU", value: ({ free }) => String(free.cpuMillis / 1000) },
      { header: "MEMORY MiB", value: ({ free }) => String(free.memoryMib) },
      { header: "DISK MiB", value: ({ free }) => String(free.diskMib) },
      { header: "EGRESS kbit/s", value: ({ free }) => String(free.egressKbps), wide: true },
      { header: "SLIVERS", value: ({ free }) => String(free.slivers) },
      { header: "LOAD", value: ({ load }) => (load === undefined ? "" : String(load)) },
      {
        header: "HEARD",
        value: ({ heard }) => (heard === undefined ? "never" : `${formatDuration(now - heard)} ago`),
      },
      {
        header: "LIVENESS",
        value: ({ liveness }) => (liveness === undefined ? "" : `${(100 * liveness).toFixed(1)} %`),
        wide: true,
      },
      { header: "IMAGES", value: ({ images }) => images.join(","), wide: true },
      { header: "ABILITIES", value: abilityList, wide: true },
      { header: "TAGS", value: ({ tags }) => tagList(tags).join(","), wide: true },
      { header: "AGENT", value: ({ agent }) => agent, wide: true },
    ],
    name: ({ node }) => node,
    member: (ad) => ({
      ...{
        node: ad.node,
        ip: ad.ip,
        sslport: ad.sslport,
        site: ad.site,
        tags: tagList(ad.tags),
        agent: ad.agent,
      },
      ...{ engines: ad.engines, images: ad.images, abilities: ad.abilities, simulated: ad.simulated },
      ...{ resources: shareMember(ad.resources), free: shareMember(ad.free) },
      ...{ load: ad.load ?? null, cpus: ad.cpus ?? null, liveness: ad.liveness ?? null },
      ...{ heard: timeOrNull(ad.heard), monitored: timeOrNull(ad.monitored) },
    }),
  };
}

function timeOrNull(instant: Instant | undefined): string | null {
  return instant === undefined ? null : formatInstant(instant);
}

/** What the slivers of each engine have; engines are named only where there are several. */
function abilityList({ abilities }: Advertisement): string {
  const each = abilities.map(({ engine, abilities: its }) => {
    return abilities.length > 1 ? `${engine}: ${its.join(",")}` : its.join(",");
  });
  return each.join("; ");
}

function tagList(tags: Advertisement["tags"]): string[] {
  return [...tags].flatMap(([name, values]) => values.map((value) => `${name}=${value}`));
}

function shareMember(share: Share): object {
  return { ...resourcesStruct(share), slivers: share.slivers };
}
