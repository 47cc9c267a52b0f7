import { type DestinationStream, destination, type Logger, pino } from "pino";
import { currentRequestId } from "./request-context.ts";

/** The log of one process. */
export type Log = Logger;

export type LogOptions = {
  /** The least serious level that is written: trace, debug, info, warn, error, fatal or silent. */
  readonly level?: string;
  /** Lines for people rather than for machines: by default where they go to a terminal. */
  readonly pretty?: boolean;
  /** Where lines go, each with its newline: by default to stderr, at once, so that a crash loses none. */
  readonly write?: (line: string) => void;
};

/** What never appears in a log, wherever a caller put it. v0.5's clients send private keys to `newvm`. */
const SECRET = ["privatekey", "*.privatekey", "password", "*.password", "headers.authorization"];

/** Members that every line has; a person sees them as time, level and name, or not at all. */
const FRAME = new Set(["time", "level", "service", "pid", "msg", "err", "request"]);

/** The log of the service `service`: one JSON object a line, or one short line for people. */
export function createLog(service: string, options: LogOptions = {}): Log {
  const stderr = destination({ dest: 2, sync: true });
  const write = options.write ?? ((line: string) => stderr.write(line));
  const pretty = options.pretty ?? (!options.write && process.stderr.isTTY === true);
  const stream: DestinationStream = { write: pretty ? (line) => write(prettyLine(line)) : write };
  return pino(
    {
      level: options.level ?? "info",
      base: { service, pid: process.pid },
      mixin: requestFacts,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      redact: { paths: SECRET, censor: "(not logged)" },
    },
    stream,
  );
}

/** Lines that are written while something is done for somebody say for which request. */
function requestFacts(): object {
  const request = currentRequestId();
  return request === undefined ? {} : { request };
}

/** A log that writes nothing. */
export function silentLog(): Log {
  return pino({ level: "silent" });
}

function prettyLine(line: string): string {
  const entry = JSON.parse(line) as Record<string, unknown>;
  const head = [String(entry.time).slice(11, 19), String(entry.level).toUpperCase().padEnd(5), entry.service];
  if (entry.request) head.push(entry.request);
  const facts = Object.entries(entry)
    .filter(([name]) => !FRAME.has(name))
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const stack = (entry.err as { stack?: string } | undefined)?.stack;
  return `${[...head, entry.msg ?? "", ...facts].join(" ")}\n${stack ? `${stack}\n` : ""}`;
}
