import { type Command, Option } from "commander";
import type { Instant } from "#shared/model/time.ts";
import { printable } from "#shared/runtime/printable.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { Effort } from "../network/fan-out.ts";
import type { Network } from "../network/network.ts";
import { UsageError } from "../terminal/exit-code.ts";
import { FORMATS, type Format, formatListing, type Listing } from "../terminal/output.ts";
import { readDuration } from "../terminal/quantity.ts";
import { progressLine, type Terminal } from "../terminal/terminal.ts";

/** What the commands are given: who they speak to, where slices lie, and how others are reached. */
export type Tools = {
  readonly terminal: Terminal;
  readonly home: string;
  readonly openNetwork: (effort: Effort) => Promise<Network>;
  /** Told, at the end of a command, what the process ends with: an `ExitCode`, or a remote command's own. */
  readonly finish: (code: number) => void;
};

/** Options that every command has. */
export type CommonOptions = {
  readonly output?: Format;
  readonly quiet?: boolean;
  readonly deadline?: string;
  readonly timeout?: string;
};

/** One command at work. */
export type Invocation = {
  readonly home: string;
  readonly now: Instant;
  readonly effort: Effort;
  /** What `-o` said, if anything. */
  readonly format: Format | undefined;
  network(): Promise<Network>;
  print<T>(listing: Listing<T>): Promise<void>;
  /** Data that is no listing, to standard output. */
  write(text: string): Promise<void>;
  /** A line for people on standard error; nothing when they asked for quiet. */
  say(line: string): void;
  /** A line for people about something that went wrong. */
  warn(line: string): void;
};

const DEADLINE_SECONDS = 30;

export function withCommonOptions(command: Command): Command {
  return command
    .addOption(new Option("-o, --output <format>", "how data is shown").choices(FORMATS))
    .option("-q, --quiet", "say nothing but what went wrong")
    .option("--deadline <duration>", "how long each node or agent may take", `${DEADLINE_SECONDS}s`)
    .option("--timeout <duration>", "give up after this long altogether (exit code 124)");
}

/** Does a command's work and tells the process what it ends with. */
export async function invoke(
  tools: Tools,
  options: CommonOptions,
  work: (invocation: Invocation) => Promise<number>,
): Promise<void> {
  const { terminal, home } = tools;
  const line = progressLine(terminal, options.quiet === true);
  using limit = overallLimit(options.timeout);
  const warn = (text: string) => {
    line.clear();
    terminal.err(`slice: ${printable(text)}\n`);
  };
  const effort: Effort = {
    signal: AbortSignal.any([terminal.interrupted, limit.signal]),
    deadlineMs: (options.deadline === undefined ? DEADLINE_SECONDS : readDuration(options.deadline)) * 1000,
    progress: line.progress,
    notice: warn,
  };
  const write = async (text: string) => {
    line.clear();
    await terminal.out(text);
  };
  try {
    const code = await work({
      home,
      now: terminal.clock.now(),
      effort,
      format: options.output,
      network: () => tools.openNetwork(effort),
      print: async (listing) => await write(await formatListing(options.output ?? "table", listing)),
      write,
      say: (text) => {
        if (!options.quiet) warn(text);
      },
      warn,
    });
    tools.finish(code);
  } finally {
    line.clear();
  }
}

function overallLimit(text: string | undefined): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const seconds = text === undefined ? undefined : readDuration(text);
  if (seconds !== undefined && seconds > 86_400)
    throw new UsageError("--timeout is at most a day; leave it out");
  const timer =
    seconds === undefined
      ? undefined
      : setTimeout(() => {
          const sentence = `the command did not finish within ${text}; run it again to go on`;
          controller.abort(new TransportError("timeout", sentence));
        }, seconds * 1000);
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}
