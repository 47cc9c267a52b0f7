import { type Command, InvalidArgumentError, Option } from "commander";
import type { Capability } from "#shared/model/capability.ts";
import { OperatorError } from "#shared/model/errors.ts";
import type { PortRange } from "#shared/model/ports.ts";
import { combine, NOTHING, type Share } from "#shared/model/resources.ts";
import { checkSliceName } from "#shared/model/slice-name.ts";
import { ENGINES, type EngineName } from "#shared/model/ticket.ts";
import { readImage } from "#shared/wire/fields.ts";
import type { GrantWish } from "../holdings/granting.ts";
import { collect, collectCapability, positive } from "./arguments.ts";
import { type BooksOptions, onConfig } from "./books.ts";

/** Which other agent a command is about. */
export type ToOptions = BooksOptions & { readonly to: string; readonly identity: string };

/** What `holding grant` is told. */
export type GrantOptions = ToOptions & {
  readonly node: readonly string[];
  readonly all?: true;
  readonly percent?: number;
  readonly slivers?: number;
  readonly cpuMillis?: number;
  readonly memoryMib?: number;
  readonly diskMib?: number;
  readonly egressKbps?: number;
  readonly days?: number;
  readonly port: readonly PortRange[];
  readonly prefix?: string;
  readonly engine?: EngineName;
  readonly image?: string;
  readonly capability: readonly Capability[];
  readonly final?: true;
  readonly renews?: string;
};

const DAY = 86_400;
const WHOLE = 100;

/** Adds what `holding grant` can be told. */
export function grantOptions(command: Command): Command {
  const amounts = ["cpu-millis", "memory-mib", "disk-mib", "egress-kbps"];
  command
    .option("--node <node>", "its name here, address or key (repeatable)", collect, [])
    .option("--all", "every node on which something is held")
    .addOption(new Option("--percent <number>", "of each holding, rounded down").argParser(percentage))
    .addOption(new Option("--slivers <number>", "how many slivers").argParser(positive));
  for (const name of amounts) {
    command.addOption(
      new Option(`--${name} <number>`, "how much, of all slivers together").argParser(natural),
    );
  }
  return command
    .option("--days <number>", "for how long (default: as long as it is held)", positive)
    .option(
      "--port <protocol:from-to>",
      "ports it may give away, and nobody else (repeatable)",
      portRanges,
      [],
    )
    .option("--prefix <name>", "for slices of this name, or that begin with it and _")
    .addOption(new Option("--engine <engine>", "for this engine alone").choices(ENGINES))
    .option("--image <image>", "for this image alone")
    .option("--capability <name>", "of administrative slices (repeatable)", collectCapability, [])
    .option("--final", "it may make tickets of it, and not hand it on in its turn")
    .option("--renews <grant>", "an earlier grant that this one continues: together they are one account");
}

/** What was asked for, of every node alike. `now`: seconds since 1970. */
export function wishOf(options: GrantOptions, now: number): Omit<GrantWish, "node" | "to" | "replaces"> {
  const { prefix, engine, image, capability, days } = options;
  return {
    share: shareOf(options),
    ports: options.port,
    mayHandOn: !options.final,
    ...(days !== undefined && { until: now + days * DAY }),
    ...(prefix !== undefined && { slicePrefix: checkSliceName(prefix) }),
    ...(engine !== undefined && { engine }),
    ...(image !== undefined && { image: readImage(image) }),
    ...(capability.length > 0 && { administrative: [...new Set(capability)] }),
  };
}

/** A part of each holding, or so much of it; with both, what is named wins. */
function shareOf({ percent, ...named }: GrantOptions): (held: Share) => Share {
  const { slivers, cpuMillis, memoryMib, diskMib, egressKbps } = named;
  if (percent === undefined && [slivers, memoryMib, diskMib].includes(undefined))
    throw new OperatorError("say how much: --percent, or --slivers, --memory-mib and --disk-mib");
  return (held) => {
    const part =
      percent === undefined ? NOTHING : combine(held, NOTHING, (all) => Math.floor((all * percent) / WHOLE));
    return {
      slivers: slivers ?? Math.max(1, part.slivers),
      cpuMillis: cpuMillis ?? part.cpuMillis,
      memoryMib: memoryMib ?? part.memoryMib,
      diskMib: diskMib ?? part.diskMib,
      egressKbps: egressKbps ?? part.egressKbps,
    };
  };
}

/** Adds which other agent a command is about: the two lines that its operator also tells owners of nodes. */
export function toAgent(command: Command): Command {
  return onConfig(command)
    .requiredOption("--to <url>", "where the other agent takes calls")
    .addOption(
      new Option("--identity <sha256>", "the name of its key, which nobody else has")
        .argParser(keyName)
        .makeOptionMandatory(),
    );
}

function keyName(value: string): string {
  if (/^[0-9a-f]{64}$/.test(value)) return value;
  throw new InvalidArgumentError("Give the SHA-256 name of its key, 64 hex digits.");
}

function natural(value: string): number {
  if (/^(0|[1-9][0-9]{0,11})$/.test(value)) return Number(value);
  throw new InvalidArgumentError("Give a whole number.");
}

function percentage(value: string): number {
  const number = positive(value);
  if (number <= WHOLE) return number;
  throw new InvalidArgumentError("Give 1 to 100.");
}

function portRanges(value: string, earlier: readonly PortRange[]): PortRange[] {
  const [, protocol, first, last = first] = /^(tcp|udp):(\d{1,5})(?:-(\d{1,5}))?$/.exec(value) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (protocol === undefined || from < 1 || to < from || to > 65_535)
    throw new InvalidArgumentError("Give ports such as tcp:20000-20099.");
  return [...earlier, { protocol: protocol as PortRange["protocol"], from, to }];
}
