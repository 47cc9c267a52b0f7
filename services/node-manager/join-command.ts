import { isIP } from "node:net";
import { hostname } from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";
import { ENGINES, type EngineName } from "#shared/model/ticket.ts";
import type { ServiceTerminal } from "#shared/runtime/command-line.ts";

type JoinOptions = {
  readonly ip: string;
  readonly dir: string;
  readonly state: string;
  readonly engine?: EngineName[];
  readonly name?: string;
  readonly note?: string;
  readonly cpuMillis?: number;
  readonly memoryMib?: number;
  readonly diskMib?: number;
  readonly egressKbps?: number;
  readonly slivers?: number;
};

/** `join`: this machine becomes a node of an agent. */
export function addJoin(
  parent: Command,
  { out, err, env }: Pick<ServiceTerminal, "out" | "err" | "env">,
): void {
  parent
    .command("join")
    .description("enrol this machine as a node of an agent, and write its configuration; may be run again")
    .argument("<invitation>", "the word the agent's administrator gave you")
    .requiredOption("--ip <address>", "the node's address, at which others reach it", address)
    .option("--dir <directory>", "where key, certificates and node-manager.toml go", "/etc/slicelab")
    .option("--state <directory>", "where the node keeps its store and disks", "/var/lib/slicelab/node")
    .addOption(
      new Option("--engine <engine...>", "what slivers are made with (default: container)").choices(ENGINES),
    )
    .option("--name <name>", "what you would like it to be called (default: the host name)")
    .option("--note <text>", "for the administrator who decides")
    .option("--cpu-millis <number>", "what it gives away (default: three quarters of the machine)", whole)
    .option("--memory-mib <number>", "as above", whole)
    .option("--disk-mib <number>", "as above", whole)
    .option("--egress-kbps <number>", "what it sends (default: 100000)", whole)
    .option("--slivers <number>", "how many (default: one for each 128 MiB)", whole)
    .action(async (invitation: string, { ip, dir, state, engine, name, note, ...capacity }: JoinOptions) => {
      const { joinNode } = await import("./joining.ts");
      const { waitingText } = await import("#shared/wire/joining.ts");
      const file = await joinNode({
        ...{ invitation, ip, directory: dir, state, note, capacity, env },
        ...{ engines: engine ?? ["container"], name: name ?? labelOf(hostname()) },
        onWaiting: (enrolment) => err(`${waitingText(enrolment)}\n`),
        onNotice: (text) => err(`${text}\n`),
      });
      out(`${file}\n`);
    });
}

/** A host name as agents call things. */
function labelOf(host: string): string {
  const label = host.toLowerCase().replace(/[^a-z0-9._-]/g, "-");
  return label.replace(/^[^a-z0-9]+/, "").slice(0, 63) || "node";
}

function address(text: string): string {
  if (isIP(text) !== 0) return text;
  throw new InvalidArgumentError("Give an IP address.");
}

function whole(text: string): number {
  if (/^(0|[1-9][0-9]{0,11})$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Give a whole number.");
}
