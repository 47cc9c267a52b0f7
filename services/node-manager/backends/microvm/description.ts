import { refuseUnless } from "#shared/model/errors.ts";
import type { Command } from "../backend.ts";
import type { Login } from "../container/login.ts";
import { checkCommand, environmentOf } from "../container/oci-process.ts";
import { words } from "./frames.ts";

/** What every command of a sliver has: the environment of a login without a terminal. */
const ENVIRONMENT = [
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  "HOME=/root",
  "LANG=C.UTF-8",
];
/** As agent/channel.c has room for. */
const MOST_BYTES = 256 * 1024;
const ON_TERMINAL = 1;

/** A command as agent/command.c reads it. */
export function description(command: Command, login: Login): Buffer {
  checkCommand(command);
  const { argv, workingDirectory = login.home, terminal } = command;
  const fixed = Buffer.alloc(5 + 4 + 4);
  fixed.writeUInt8(terminal ? ON_TERMINAL : 0, 0);
  fixed.writeUInt32LE(login.uid, 1);
  fixed.writeUInt32LE(login.gid, 5);
  fixed.writeUInt16LE(terminal?.columns ?? 0, 9);
  fixed.writeUInt16LE(terminal?.rows ?? 0, 11);
  const texts = [workingDirectory, ...argv, ...environmentOf(ENVIRONMENT, command, login)];
  const bytes = Buffer.concat([fixed, words(argv.length), ...texts.map((text) => Buffer.from(`${text}\0`))]);
  refuseUnless(
    bytes.length <= MOST_BYTES,
    "MALFORMED",
    "the command is longer than 256 KiB; send it as input",
  );
  return bytes;
}
