import { existsSync, readFileSync } from "node:fs";
import { arch, availableParallelism, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { cannotInstall, install, isThere } from "./packages.ts";
import { type Purpose, REQUIREMENTS, type Requirement } from "./requirements.ts";

/**
 * Installs what this machine lacks for the testbed and the tests, where it can, and says what will not work where it
 * cannot. Without arguments it also says what the machine has; with `--for tests` or `--for demo` it is silent unless
 * something is missing. Always exits with 0: less than everything is enough for most.
 */
const GIBIBYTE = 1024 ** 3;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { for: { type: "string" } } });
  const wanted = REQUIREMENTS.filter(
    ({ purposes }) => !values.for || purposes.includes(values.for as Purpose),
  );
  const lacking = missing(wanted);
  if (lacking.length > 0 && cannotInstall() === undefined)
    await install(
      lacking.map((one) => one.package),
      say,
    );
  const lost = missing(lacking);
  if (lost.length > 0) explain(lost);
  if (!values.for) describe();
}

function missing(requirements: readonly Requirement[]): Requirement[] {
  return requirements.filter((requirement) => !isThere(requirement.provides));
}

function explain(lost: readonly Requirement[]): void {
  say(`not installed${cannotInstall() ? ` (${cannotInstall()})` : ""}:`);
  for (const { package: name, without } of lost) say(`  ${name}: without it, ${without}`);
}

/** Data, so on stdout. */
function describe(): void {
  const there = REQUIREMENTS.filter((requirement) => isThere(requirement.provides)).map((one) => one.package);
  const facts = {
    system: `${distribution()}, ${arch()}, ${process.getuid?.() === 0 ? "as root" : "not as root"}`,
    Node: process.version,
    size: `${availableParallelism()} processors, ${Math.round(totalmem() / GIBIBYTE)} GiB of memory`,
    cgroups: existsSync("/sys/fs/cgroup/cgroup.controllers") ? "version 2" : "version 1 or mixed",
    KVM: existsSync("/dev/kvm") ? "there (whether it works is tried when it is used)" : "not there",
    packages: there.join(", ") || "none",
  };
  for (const [name, value] of Object.entries(facts)) process.stdout.write(`${name.padEnd(9)} ${value}\n`);
}

function distribution(): string {
  if (!existsSync("/etc/os-release")) return "unknown";
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "unknown";
}

function say(line: string): void {
  process.stderr.write(`setup: ${line}\n`);
}

await main();
