import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { commandOf, runCommandLine, type ServiceTerminal } from "#shared/runtime/command-line.ts";
import { checkClock } from "./clock.ts";
import { EXAMINATIONS } from "./examination.ts";
import { type Finding, findingsText, Report } from "./finding.ts";

/** What the command speaks to. */
export type DoctorTerminal = ServiceTerminal & {
  /** Where configurations are looked for when none is named. */
  readonly directory?: string;
};

/** One part to examine, and where its configuration is. */
type Examined = { readonly part: string; readonly config: string };

const WELL = 0;
const TROUBLE = 1;

const DIRECTORY = "/etc/slicelab";
const PARTS = Object.keys(EXAMINATIONS);

const AFTER = `
It looks at the clock and, for each part, at its configuration, certificates, ports, database, Redis, engines with what
they need of the kernel, and the services it calls. It changes nothing, whether services run or not. For engines it has to
be root on the node; for the rest, whoever the service runs as.

  slicelab doctor                                      every part that has a file in /etc/slicelab
  slicelab doctor --config agent.toml                  a file named like its part
  slicelab doctor --config node-manager=/srv/n4.toml   a file named otherwise
  slicelab doctor --config slice=$HOME/.slicelab       what a researcher's commands need

Exit codes: 0 nothing keeps anything from working (there may be warnings), 1 something does, 2 usage.`;

/** Runs `slicelab doctor` and returns its exit code. */
export async function runDoctor(argv: readonly string[], terminal: DoctorTerminal): Promise<number> {
  const findings: Finding[] = [];
  const command = doctorCommand(terminal, (found) => findings.push(...found));
  const code = await runCommandLine(command, argv, terminal);
  return code === WELL && findings.some(({ state }) => state === "trouble") ? TROUBLE : code;
}

/** The command; `onFindings` is told what it found. */
export function doctorCommand(
  terminal: DoctorTerminal,
  onFindings: (found: readonly Finding[]) => void = () => undefined,
): Command {
  const { out, err, directory = DIRECTORY } = terminal;
  const does = "Looks for what keeps services from working on this machine, and says how to mend it.";
  return commandOf("doctor", does, terminal)
    .addHelpText("after", AFTER)
    .addOption(
      new Option("--config <[part=]file...>", "what to examine; all of /etc/slicelab unless given")
        .argParser(collectExamined)
        .default([], "none"),
    )
    .addOption(new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"))
    .action(async (options: { config: Examined[]; output: string }) => {
      const chosen = options.config.length > 0 ? options.config : configurationsIn(directory);
      const findings = await examineAll(chosen, terminal);
      onFindings(findings);
      if (chosen.length === 0) err(`there is no configuration in ${directory}: name one with --config\n`);
      out(options.output === "json" ? `${JSON.stringify({ findings }, null, 2)}\n` : findingsText(findings));
    });
}

async function examineAll(
  chosen: readonly Examined[],
  { env, clock }: Pick<DoctorTerminal, "env" | "clock">,
): Promise<Finding[]> {
  const machine = new Report("machine");
  checkClock(machine);
  const reports = [machine];
  for (const { part, config } of chosen) {
    const report = new Report(part);
    reports.push(report);
    await EXAMINATIONS[part]!({ report, config, env, clock });
  }
  return reports.flatMap(({ findings }) => findings);
}

function configurationsIn(directory: string): Examined[] {
  return PARTS.map((part) => ({ part, config: join(directory, `${part}.toml`) })).filter(({ config }) =>
    existsSync(config),
  );
}

function collectExamined(value: string, earlier: readonly Examined[]): Examined[] {
  const [, part = basename(value, ".toml"), config] = /^(?:([a-z-]+)=)?(.+)$/s.exec(value) ?? [];
  if (config !== undefined && PARTS.includes(part)) return [...earlier, { part, config }];
  throw new InvalidArgumentError(`Write PART=FILE, with one of ${PARTS.join(", ")}.`);
}
