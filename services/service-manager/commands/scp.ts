import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import type { Lease } from "#shared/model/lease.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { onEach } from "../network/fan-out.ts";
import { exitCodeOfMany, UsageError } from "../terminal/exit-code.ts";
import { failureSentence } from "../terminal/failure.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";

type ScpOptions = {
  readonly node?: readonly string[];
  readonly recursive?: boolean;
  readonly preserve?: boolean;
};

/** What scp ends with when ssh could not get in. */
const NOT_CONNECTED = 255;
/** A sliver's own complaint is told, but not all of a long one. */
const MOST_COMPLAINT = 300;

export function addScp(parent: Command, tools: Tools): void {
  withCommonOptions(parent.command("scp"))
    .summary("copy files into every sliver of a slice, or out of them")
    .description(
      "Copies with scp, in all slivers at once. Paths in slivers begin with a colon and are relative to the home there:\n\n" +
        "  slice scp web data.tgz :              into every sliver\n" +
        "  slice scp web :results.csv results    out of every one, to results/ADDRESS/\n" +
        "  slice scp web --node 10.1.2.3 :x .    out of one\n\n" +
        "Ends with 3 when some slivers could not be copied to or from.",
    )
    .argument("<slice>", "its name")
    .argument("<paths...>", "what is copied, and at last where to")
    .option("--node <node>", "only there: an address, or the beginning of an identity (repeatable)", collect)
    .option("-r, --recursive", "whole directories")
    .option("-p, --preserve", "keep times and modes")
    .action(async (name: string, paths: string[], options: ScpOptions & CommonOptions) => {
      await invoke(tools, options, (invocation) => copy(name, paths, options, invocation));
    });
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

async function copy(
  name: string,
  paths: readonly string[],
  options: ScpOptions,
  invocation: Invocation,
): Promise<number> {
  const direction = directionOf(paths);
  const [{ existingSlice }, { chooseLeases }, { sshFiles, writeSshConfig }] = await Promise.all([
    import("../journal/slice-state.ts"),
    import("../slivers/lease-choice.ts"),
    import("../ssh/ssh-config.ts"),
  ]);
  const { home, effort } = invocation;
  const slice = await existingSlice(home, name);
  const leases = chooseLeases(slice, options.node);
  if (direction === "in") await checkSources(paths.slice(0, -1), options);
  await writeSshConfig(home, slice);
  const flags = [
    ...["-B", "-F", sshFiles(home, name).config, "-o", "LogLevel=ERROR"],
    ...["-o", `ConnectTimeout=${Math.ceil(effort.deadlineMs / 1000)}`],
    ...(options.recursive ? ["-r"] : []),
    ...(options.preserve ? ["-p"] : []),
  ];
  const apart = direction === "out" && (leases.length > 1 || options.node === undefined);
  const outcomes = await onEach(
    "copying",
    leases,
    (lease) => copyOne(lease, paths, { direction, flags, apart, signal: effort.signal }),
    effort,
  );
  const failures = outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome]));
  for (const { item, error } of failures) {
    invocation.warn(`${item.ip}: ${failureSentence(error)}`);
  }
  const copied = leases.length - failures.length;
  invocation.say(`copied ${direction === "in" ? "into" : "out of"} ${copied} of ${leases.length} slivers`);
  return exitCodeOfMany(
    copied,
    failures.map(({ error }) => error),
  );
}

/** What is missing here is told once, before anybody is connected to, and not by every sliver's scp. */
async function checkSources(paths: readonly string[], { recursive = false }: ScpOptions): Promise<void> {
  const { checkSendable } = await import("../terminal/named-file.ts");
  for (const path of paths) await checkSendable(path, { trees: recursive });
}

type Direction = "in" | "out";

function directionOf(paths: readonly string[]): Direction {
  const inside = paths.map((path) => path.startsWith(":"));
  const [target, sources] = [inside.at(-1), inside.slice(0, -1)];
  if (sources.length > 0 && target && sources.every((there) => !there)) return "in";
  if (sources.length > 0 && !target && sources.every((there) => there)) return "out";
  throw new UsageError("give what to copy and where to; paths in slivers, and only they, begin with a colon");
}

type Copying = {
  readonly direction: Direction;
  readonly flags: readonly string[];
  /** Each sliver's files go into a directory of their own. */
  readonly apart: boolean;
  readonly signal: AbortSignal;
};

async function copyOne(
  lease: Lease,
  paths: readonly string[],
  { direction, flags, apart, signal }: Copying,
): Promise<void> {
  const [{ sshAlias }, { runQuietly }] = await Promise.all([
    import("../ssh/ssh-config.ts"),
    import("../ssh/openssh.ts"),
  ]);
  const target = paths.at(-1)!;
  const place = apart ? join(target, lease.ip) : target;
  if (apart) await mkdir(place, { recursive: true });
  const there = (path: string) => `${sshAlias(lease)}${path}`;
  // A path that begins with - would be an option; one with a colon in it would be taken for another machine's.
  const here = (path: string) => (path.startsWith("/") ? path : `./${path}`);
  const words =
    direction === "in"
      ? [...paths.slice(0, -1).map(here), there(target)]
      : [...paths.slice(0, -1).map(there), here(place)];
  const { code, complaint } = await runQuietly("scp", [...flags, ...words], signal);
  if (code === 0) return;
  const why = complaint.trim().replace(/\s+/g, " ").slice(0, MOST_COMPLAINT) || `scp ended with ${code}`;
  throw new TransportError(code === NOT_CONNECTED ? "refused" : "broken", why);
}
