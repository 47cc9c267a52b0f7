import type { Command } from "commander";

/** What is wanted, said on the command line: for `create` and `plan` alike. */
export function withWishOptions(command: Command): Command {
  return command
    .argument(
      "<file|name>",
      "a slice description (a path, or - for standard input), or just a name for the slice",
    )
    .option("--nodes <nodes>", "how many nodes, or which: addresses or beginnings of identities, with commas")
    .option("--lease <duration>", "how long, such as 12h or 7d (renewable)")
    .option("--cpu <cores>", "guaranteed to each sliver, such as 0.25 or 250m")
    .option("--memory <size>", "of each sliver, such as 128M or 1G")
    .option("--disk <size>", "of each sliver, such as 512M or 10G")
    .option("--egress <rate>", "guaranteed to each sliver, such as 1000k or 10M (bit/s)")
    .option("--engine <engine>", "what slivers are: container, simulated …")
    .option("--image <image>", "the reference image slivers begin with")
    .option(
      "--where <tag=value>",
      "only nodes that say so of themselves, such as region=eu (repeatable)",
      collect,
    )
    .option("--site <name>", "only nodes at this site, or at these (repeatable)", collect)
    .option("--distinct-sites", "no two nodes at one site")
    .option("--spread <place>", "as evenly as possible over each site, country or region (default: site)")
    .option("--max-load <load>", "only nodes whose one-minute load is known and at most this, such as 2.5")
    .option("--include <nodes>", "nodes that must be among them, as --nodes lists them (repeatable)", collect)
    .option("--avoid <nodes>", "nodes that may not be, or site=NAME for a whole site (repeatable)", collect)
    .option(
      "--port <port>",
      "a port of each node's address for the sliver: 8080, udp:5000-5009, any, or tcp:any:2 (repeatable)",
      collect,
    )
    .option(
      "--capability <name>",
      "an administrative slice, whose slivers see their whole node, with this capability (repeatable)",
      collect,
    );
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** The wish among a command's options: the others are about how it is carried out. */
export function wishAmong<T extends object>({ output, quiet, deadline, timeout, ...wish }: T & CommonNames) {
  return wish;
}

type CommonNames = { output?: unknown; quiet?: unknown; deadline?: unknown; timeout?: unknown };
