import { readIfPresent } from "#shared/runtime/durable-file.ts";
import type { ImageEnvironment } from "../images/image-program.ts";
import { type Login, ROOT } from "../seed/login.ts";

/** As whom, and in what environment, commands run in a sliver. */
export type Account = {
  readonly login: Login;
  /** What the sliver's image says every command finds. */
  readonly environment: ImageEnvironment;
};

/** Reads what the seed step of a start wrote, for a command of this user's. */
export async function readAccount(path: string, user: "login" | "root" = "root"): Promise<Account> {
  const bytes = await readIfPresent(path);
  const seeded: Account = bytes ? JSON.parse(bytes.toString()) : { login: ROOT, environment: {} };
  if (user === "login") return seeded;
  return { ...seeded, login: { ...ROOT, withoutShell: seeded.login.withoutShell } };
}
