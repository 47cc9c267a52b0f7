import { constants } from "node:os";
import type { ServerChannel, Session } from "ssh2";
import { Fault } from "#shared/model/errors.ts";
import type { RunningCommand, Terminal } from "../backends/backend.ts";
import { joinCommand, refuseOnChannel } from "./channel.ts";
import type { Entry } from "./entry.ts";
import { type Asked, loginCommand } from "./login-shell.ts";

/** What a shell answers when a command cannot be run at all, and what ssh itself ends with. */
const CANNOT_RUN = 126;
const NOT_LET_IN = 255;

/** Environment variables a client may set: the language, nothing that changes what runs. */
const ENVIRONMENT = /^(LANG|LC_[A-Z]{1,20}|TZ|COLORTERM)$/;
const LONGEST_VALUE = 256;
const MOST_VARIABLES = 32;
const TERMINAL_TYPE = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;
const LARGEST_SIZE = 0xffff;

/** One session of an ssh connection (RFC 4254 §6): a shell, a command or sftp, with a terminal or without one. */
export function serveSession(session: Session, entry: Entry): void {
  const closed = new AbortController();
  session.on("close", () => closed.abort());
  const gone = AbortSignal.any([entry.gone, closed.signal]);
  const env: Record<string, string> = { ...entry.env };
  let terminal: Terminal | undefined;
  let running: RunningCommand | undefined;

  session.on("env", (accept, reject, { key, val }) => {
    const known = ENVIRONMENT.test(key) && val.length <= LONGEST_VALUE && !val.includes("\0");
    if (!known || Object.keys(env).length >= MOST_VARIABLES) return void reject?.();
    env[key] = val;
    accept?.();
  });
  session.on("pty", (accept, _reject, { term, cols, rows }) => {
    const type = TERMINAL_TYPE.test(term) ? term : "dumb";
    terminal = { type, columns: sizeOf(cols), rows: sizeOf(rows) };
    accept?.();
  });
  session.on("window-change", (accept, _reject, { cols, rows }) => {
    if (terminal) terminal = { ...terminal, columns: sizeOf(cols), rows: sizeOf(rows) };
    running?.resize?.(sizeOf(cols), sizeOf(rows));
    accept?.();
  });
  session.on("signal", (accept, reject, { name }) => {
    const signal = `SIG${name}`;
    if (!running || !isSignal(signal)) return void reject?.();
    running.kill(signal);
    accept?.();
  });
  session.on("shell", (accept) => begin(accept(), "shell"));
  session.on("exec", (accept, _reject, { command }) => begin(accept(), { commandLine: command }));
  session.on("subsystem", (accept, reject, { name }) => {
    if (name === "sftp") begin(accept(), "sftp");
    else reject();
  });

  /** ssh2 gives no channel when the client has closed the session meanwhile. */
  function begin(channel: ServerChannel | undefined, asked: Asked): void {
    if (!channel) return;
    entry.guard(channel);
    for (const stream of [channel, channel.stderr]) {
      stream.on("error", (error: Error) => entry.log("ssh channel failed", { reason: error.message }));
    }
    run(channel, asked).catch((error: Error) =>
      entry.log("ssh command failed", { reason: error.message, err: error.cause }),
    );
  }

  async function run(channel: ServerChannel, asked: Asked): Promise<void> {
    const refusal = entry.refusal();
    if (refusal) return refuseOnChannel(channel, NOT_LET_IN, refusal, gone);
    const leave = entry.enter("command");
    if (!leave) {
      const sentence = `slice ${entry.slice} runs as many commands over ssh here as it may; end some first`;
      return refuseOnChannel(channel, NOT_LET_IN, sentence, gone);
    }
    try {
      running = await started(channel, asked);
      if (terminal) running.resize?.(terminal.columns, terminal.rows);
      await joinCommand(channel, running, { pace: entry.pace, gone });
    } finally {
      leave();
    }
  }

  async function started(channel: ServerChannel, asked: Asked): Promise<RunningCommand> {
    try {
      return await entry.exec(loginCommand(asked, env, terminal));
    } catch (error) {
      await refuseOnChannel(channel, CANNOT_RUN, sentenceOf(error, entry.slice), gone);
      throw error;
    }
  }
}

/** What a person is told; the rest is in the node's log. */
function sentenceOf(error: unknown, slice: string): string {
  if (!(error instanceof Fault) || error.name === "BACKEND_FAILED") {
    return `the sliver of slice ${slice} is not running; its node starts it again by itself: try again in a moment`;
  }
  return error.sentence;
}

function sizeOf(characters: number): number {
  return Math.min(characters, LARGEST_SIZE);
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name);
}
