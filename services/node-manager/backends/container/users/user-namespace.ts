import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { Fault } from "#shared/model/errors.ts";
import { ENVIRONMENT } from "../../machine/program.ts";
import { IDS_PER_SLIVER } from "./id-blocks.ts";

const PATIENCE_MILLISECONDS = 30_000;

/** A user namespace without processes, by a file descriptor that keeps it; disposing of it closes that. */
export type UserNamespace = Disposable & { readonly descriptor: number };

/**
 * Makes a user namespace in which user and group n are `base` + n outside. A process has to be in it while it is told
 * so: one that does nothing, and ends.
 */
export async function userNamespace(base: number): Promise<UserNamespace> {
  const signal = AbortSignal.timeout(PATIENCE_MILLISECONDS);
  const options = { env: ENVIRONMENT, stdio: "pipe", signal, killSignal: "SIGKILL" } as const;
  const child = spawn("unshare", ["--user", "--", "cat"], options);
  child.stdin.on("error", () => undefined); // told by its end
  try {
    const ended = once(child, "close").then(() => {
      throw new Error("the process that was to be in it ended");
    });
    ended.catch(() => undefined);
    child.stdin.write("\n"); // comes back once it is in the namespace
    await Promise.race([once(child.stdout, "data"), ended]);
    for (const ids of ["uid_map", "gid_map"]) {
      writeFileSync(`/proc/${child.pid}/${ids}`, `0 ${base} ${IDS_PER_SLIVER}\n`);
    }
    const descriptor = openSync(`/proc/${child.pid}/ns/user`, "r");
    return { descriptor, [Symbol.dispose]: () => closeSync(descriptor) };
  } catch (cause) {
    throw new Fault("BACKEND_FAILED", "the sliver's users could not be set apart; try again", { cause });
  } finally {
    child.stdin.end();
  }
}
