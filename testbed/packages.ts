import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** System directories that an ordinary user's PATH leaves out. */
const SYSTEM_PATH = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];

const LISTS = "/var/lib/apt/lists";
const APT = ["-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"];

/** Whether what a requirement `provides` is there, whoever installed it. Takes no process. */
export function isThere(provides: string, path = process.env.PATH ?? ""): boolean {
  if (provides.startsWith("/")) return matches(provides);
  return [...path.split(":"), ...SYSTEM_PATH].some((directory) => existsSync(join(directory, provides)));
}

function matches(pattern: string): boolean {
  const [before, after] = pattern.split("*");
  if (after === undefined) return existsSync(pattern);
  return existsSync(before!) && readdirSync(before!).some((name) => existsSync(before + name + after));
}

/** Why this machine cannot be given packages, or undefined if it can. */
export function cannotInstall(): string | undefined {
  if (process.getuid?.() !== 0) return "that takes root";
  if (!isThere("apt-get")) return "there is no apt-get";
  return undefined;
}

/**
 * Installs `packages` by apt-get, fetching its lists only if that fails without. Each that can be installed is, even if
 * another cannot. `say` gets a line for every step, and what apt-get said about a failure.
 */
export async function install(packages: readonly string[], say: (line: string) => void): Promise<void> {
  say(`installing ${packages.join(", ")}`);
  if (hasLists() && (await aptGet(["install", ...packages])).ok) return;
  say("fetching the lists of packages");
  const update = await aptGet(["update"]);
  if (!update.ok) say(update.said);
  if ((await aptGet(["install", ...packages])).ok) return;
  for (const name of packages) {
    const alone = await aptGet(["install", name]);
    if (!alone.ok) say(`${name} could not be installed:\n${alone.said}`);
  }
}

function hasLists(): boolean {
  return existsSync(LISTS) && readdirSync(LISTS).some((name) => name.includes("_Packages"));
}

async function aptGet(argv: readonly string[]): Promise<{ ok: boolean; said: string }> {
  const child = spawn("apt-get", [...APT, "-y", "--no-install-recommends", ...argv], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" },
  });
  const said: Buffer[] = [];
  child.stdout.on("data", (chunk) => said.push(chunk));
  child.stderr.on("data", (chunk) => said.push(chunk));
  const [code] = await once(child, "close");
  return { ok: code === 0, said: Buffer.concat(said).toString().trim().split("\n").slice(-5).join("\n") };
}
