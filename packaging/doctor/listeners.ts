import { readdir, readFile, readlink } from "node:fs/promises";
import { resolve } from "node:path";

const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];
const LISTENING = "0A";

/**
 * Whether the port is listened on by a process that was started with this configuration: a service is itself,
 * whatever is wrong with its certificate. Sees the processes that whoever asks may look into: its own, as root all.
 */
export async function isServedWith(config: string, port: number): Promise<boolean> {
  const sockets = await listeningOn(port);
  if (sockets.size === 0) return false;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    if ((await wasStartedWith(pid, resolve(config))) && (await hasOpen(pid, sockets))) return true;
  }
  return false;
}

/** What the kernel calls the sockets that listen there. */
async function listeningOn(port: number): Promise<Set<string>> {
  const sockets = new Set<string>();
  for (const table of TABLES) {
    for (const line of ((await ifAllowed(() => readFile(table, "utf8"))) ?? "").split("\n").slice(1)) {
      // proc(5): number, local address:port, remote address:port, state, …, and the tenth is the inode.
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state !== LISTENING || Number.parseInt(local?.split(":")[1] ?? "", 16) !== port) continue;
      sockets.add(`socket:[${inode}]`);
    }
  }
  return sockets;
}

async function wasStartedWith(pid: string, config: string): Promise<boolean> {
  const words = (await ifAllowed(() => readFile(`/proc/${pid}/cmdline`, "utf8")))?.split("\0") ?? [];
  const given = words[words.indexOf("--config") + 1];
  if (!words.includes("--config") || given === undefined) return false;
  const directory = await ifAllowed(() => readlink(`/proc/${pid}/cwd`));
  return directory !== undefined && resolve(directory, given) === config;
}

async function hasOpen(pid: string, sockets: ReadonlySet<string>): Promise<boolean> {
  const directory = `/proc/${pid}/fd`;
  for (const name of (await ifAllowed(() => readdir(directory))) ?? []) {
    const target = await ifAllowed(() => readlink(`${directory}/${name}`));
    if (target !== undefined && sockets.has(target)) return true;
  }
  return false;
}

/** Undefined: it ended meanwhile, or is another user's. */
async function ifAllowed<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH" || code === "EACCES" || code === "EPERM") return undefined;
    throw error;
  }
}
