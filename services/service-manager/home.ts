import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Where slices and the configuration lie: $SLICELAB_HOME, else ~/.slicelab. */
export function homeDirectory(env: NodeJS.ProcessEnv): string {
  return resolve(env.SLICELAB_HOME || join(homedir(), ".slicelab"));
}
