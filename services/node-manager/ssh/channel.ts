import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type { ServerChannel } from "ssh2";
import type { RunningCommand } from "../backends/backend.ts";
import type { Entry } from "./entry.ts";

/**
 * Joins an ssh channel to a command in a sliver until it has ended: input, output and errors as they come, the exit code
 * after them. `gone` is aborted when the client is: then the command is hung up on.
 */
export async function joinCommand(
  channel: ServerChannel,
  command: RunningCommand,
  { pace, gone }: Pick<Entry, "pace" | "gone">,
): Promise<void> {
  const { stdin, stdout, stderr } = command;
  const paced = [pace(), pace()] as const;
  const hangUp = () => {
    command.kill("SIGHUP");
    // Nobody reads them any more; unread they would keep the command's end from being known.
    for (const output of [stdout, stderr]) output.unpipe().resume();
    channel.unpipe(stdin).resume();
  };
  // A command that does not read its input closes the pipe early: no reason to fail.
  stdin.on("error", () => channel.unpipe(stdin).resume());
  if (gone.aborted) hangUp();
  else {
    gone.addEventListener("abort", hangUp, { once: true });
    stdout.pipe(paced[0]).pipe(channel, { end: false });
    stderr.pipe(paced[1]).pipe(channel.stderr, { end: false });
    channel.pipe(stdin);
  }
  const { code } = await command.exit;
  gone.removeEventListener("abort", hangUp);
  if (gone.aborted) return;
  await Promise.race([Promise.all(paced.map((output) => finished(output))), aborted(gone)]);
  channel.unpipe(stdin).resume();
  await endChannel(channel, code, gone);
}

/** Says on the client's standard error why nothing runs, and ends the channel with this exit code. */
export async function refuseOnChannel(
  channel: ServerChannel,
  code: number,
  sentence: string,
  gone: AbortSignal,
): Promise<void> {
  channel.stderr.write(`slicelab: ${sentence}\r\n`);
  channel.resume();
  await endChannel(channel, code, gone);
}

/** The exit code goes after the last byte of output: some clients close the channel when they hear it. */
async function endChannel(channel: ServerChannel, code: number, gone: AbortSignal): Promise<void> {
  await Promise.all([taken(channel, gone), taken(channel.stderr, gone)]);
  if (gone.aborted) return;
  channel.exit(code);
  channel.end();
}

/**
 * Waits until the client has taken everything that was written, or is gone. ssh2 calls nobody back about what it could
 * not send.
 */
export async function taken(stream: Writable, gone: AbortSignal): Promise<void> {
  if (gone.aborted || !stream.writable) return;
  const written = new Promise<void>((resolve) => {
    stream.write("", () => resolve());
  });
  await Promise.race([written, aborted(gone)]);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
