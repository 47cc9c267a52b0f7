import { statSync } from "node:fs";
import { userInfo } from "node:os";

/**
 * Does `work` as the account that a file belongs to, where root asks, and tells it the account's name; as itself, and
 * without a name, where anybody else does or the file isn't there. PostgreSQL's socket knows people by their accounts,
 * so what holds for root says nothing of the service. The whole process is that account meanwhile: nothing else may be
 * under way.
 */
export async function asOwnerOf<T>(file: string, work: (account?: string) => Promise<T>): Promise<T> {
  const owner = statSync(file, { throwIfNoEntry: false });
  if (process.geteuid?.() !== 0 || !owner || owner.uid === 0) return await work();
  const group = process.getegid!();
  process.setegid!(owner.gid);
  process.seteuid!(owner.uid);
  try {
    return await work(accountName());
  } finally {
    process.seteuid!(0);
    process.setegid!(group);
  }
}

/** Undefined: the account has a number and no name. */
function accountName(): string | undefined {
  try {
    return userInfo().username;
  } catch (error) {
    if (error instanceof Error && "syscall" in error) return undefined;
    throw error;
  }
}

/** The URL of a database with the account's name where it names no user, as PostgreSQL's clients understand it. */
export function withUser(url: string, account: string | undefined): string {
  if (account === undefined || !URL.canParse(url)) return url;
  const named = new URL(url);
  if (named.username !== "" || named.searchParams.has("user")) return url;
  named.searchParams.set("user", account);
  return named.href;
}
