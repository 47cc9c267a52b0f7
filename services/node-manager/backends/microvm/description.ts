import { refuseUnless } from "#shared/model/errors.ts";
import type { Command } from "../backend.ts";
import { ENVIRONMENT } from "../container/bundle.ts";
import { checkCommand, environmentOf, shellFree } from "../container/inside/oci-process.ts";
import type { Account } from "./account.ts";
import { words } from "./frames.ts";

/** As agent/channel.c has room for. */
const MOST_BYTES = 256 * 1024;
const ON_TERMINAL = 1;
const DETACHED = 2;

/** A command as agent/command.c reads it. `detached`: its input and outputs are nothing. */
export function description(command: Command, { login, environment }: Account, detached = false): Buffer {
  checkCommand(command);
  const argv = login.withoutShell ? shellFree(command) : command.argv;
  const { workingDirectory = login.home, terminal } = command;
  const fixed = Buffer.alloc(5 + 4 + 4);
  fixed.writeUInt8((terminal ? ON_TERMINAL : 0) | (detached ? DETACHED : 0), 0);
  fixed.writeUInt32LE(login.uid, 1);
  fixed.writeUInt32LE(login.gid, 5);
  fixed.writeUInt16LE(terminal?.columns ?? 0, 9);
  fixed.writeUInt16LE(terminal?.rows ?? 0, 11);
  const variables = Object.entries({ ...ENVIRONMENT, ...environment }).map(
    ([name, value]) => `${name}=${value}`,
  );
  const texts = [workingDirectory, ...argv, ...environmentOf(variables, command, login)];
  const bytes = Buffer.concat([fixed, words(argv.length), ...texts.map((text) => Buffer.from(`${text}\0`))]);
  refuseUnless(
    bytes.length <= MOST_BYTES,
    "MALFORMED",
    "the command is longer than 256 KiB; send it as input",
  );
  return bytes;
}
