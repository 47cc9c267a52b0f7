import { finished } from "node:stream/promises";
import type { ServerChannel } from "ssh2";
import type { RunningCommand } from "./backends/backend.ts";

/** What a shell answers when a command cannot be run at all. */
const CANNOT_RUN = 126;

/**
 * Joins an ssh channel to a command in a sliver: input, output and errors as they come, the exit code last. When the
 * client goes away, the command is ended; when the command cannot be started, the client is told why on stderr.
 */
export async function runOnChannel(
  channel: ServerChannel,
  start: () => Promise<RunningCommand>,
): Promise<void> {
  let command: RunningCommand | undefined;
  let gone = false;
  channel.on("close", () => {
    gone = true;
    command?.kill("SIGHUP");
  });
  channel.on("error", () => command?.kill("SIGHUP"));
  try {
    command = await start();
  } catch (error) {
    finish(channel, CANNOT_RUN, `slicelab: ${(error as Error).message}\n`);
    throw error;
  }
  if (gone) return void command.kill("SIGHUP");
  connect(channel, command);
  const { code } = await command.exit;
  // The exit status goes after the last byte of output, or clients cut the output short.
  await Promise.allSettled([finished(command.stdout), finished(command.stderr)]);
  finish(channel, code);
}

function connect(channel: ServerChannel, command: RunningCommand): void {
  command.stdout.pipe(channel, { end: false });
  command.stderr.pipe(channel.stderr, { end: false });
  channel.pipe(command.stdin);
  // A command that does not read its input closes the pipe early: no reason to fail.
  command.stdin.on("error", () => channel.unpipe(command.stdin));
}

function finish(channel: ServerChannel, code: number, complaint?: string): void {
  if (channel.destroyed) return;
  if (complaint) channel.stderr.write(complaint);
  channel.exit(code);
  channel.end();
}
