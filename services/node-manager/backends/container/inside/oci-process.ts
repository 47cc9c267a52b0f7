import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Command, Terminal } from "../../backend.ts";
import type { ImageProgram } from "../../images/image-program.ts";
import { type Login, ROOT, readLogin } from "../../seed/login.ts";
import type { SliverPlaces } from "../places.ts";

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const TERMINAL_TYPE = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;
const UMASK = 0o022;

/** What of a sliver's first process every command takes over, in the form of the OCI runtime specification. */
type FirstProcess = {
  readonly env: readonly string[];
  readonly capabilities: Readonly<Record<string, readonly string[]>>;
  readonly [member: string]: unknown;
};

/** A command as runc understands it: the `process` of the OCI runtime specification 1.0.2. */
export async function ociProcess(sliver: SliverPlaces, command: Command): Promise<object> {
  checkCommand(command);
  const first = await firstProcess(sliver);
  const login = command.user === "login" ? await readLogin(sliver.login) : ROOT;
  const { workingDirectory = login.home, terminal } = command;
  const argv = login.withoutShell ? shellFree(command) : command.argv;
  return {
    ...first,
    args: argv,
    cwd: workingDirectory,
    env: environmentOf(first.env, command, login),
    // sudo may raise an ordinary user to what is in the bounding set, nothing may raise anybody further.
    capabilities: login.uid === 0 ? first.capabilities : { bounding: first.capabilities.bounding },
    user: { uid: login.uid, gid: login.gid, umask: UMASK },
    ...(terminal
      ? { terminal: true, consoleSize: { width: terminal.columns, height: terminal.rows } }
      : { terminal: false }),
  };
}

/** What an image says is to run, as the user it says. */
export async function imageProcess(sliver: SliverPlaces, program: ImageProgram): Promise<object> {
  const { argv, workingDirectory, user } = program;
  const first = await firstProcess(sliver);
  const named = first.env.some((entry) => entry.startsWith("HOME=") && entry !== `HOME=${ROOT.home}`);
  const process = await ociProcess(sliver, { argv, workingDirectory, env: named ? {} : { HOME: user.home } });
  const { bounding } = first.capabilities;
  const capabilities = user.uid === 0 ? first.capabilities : { bounding };
  return { ...process, capabilities, user: { uid: user.uid, gid: user.gid, umask: UMASK } };
}

async function firstProcess(sliver: SliverPlaces): Promise<FirstProcess> {
  return JSON.parse(await readFile(join(sliver.bundle, "config.json"), "utf8")).process;
}

/** What sshd would set (environ(7)), then what the command brings along. */
export function environmentOf(
  env: readonly string[],
  command: Command,
  { name, home, shell }: Login,
): string[] {
  const account = command.user === "login" ? { USER: name, LOGNAME: name, HOME: home, SHELL: shell } : {};
  const variables = new Map(env.map((entry) => entry.split(/=(.*)/s, 2) as [string, string]));
  const more = { ...account, ...(command.terminal && { TERM: command.terminal.type }), ...command.env };
  for (const [variable, value] of Object.entries(more)) variables.set(variable, value);
  return Array.from(variables, ([variable, value]) => `${variable}=${value}`);
}

/** The same command for a sliver without a shell. Throws MALFORMED where there is none. */
export function shellFree({ argv, withoutShell = argv }: Command): readonly string[] {
  if (withoutShell !== "impossible") return withoutShell;
  throw new Fault(
    "MALFORMED",
    "this sliver's image has no shell: only its own programs can be run, each by its path and words without anything a shell would read",
  );
}

/** Throws MALFORMED for a command that no program could be. */
export function checkCommand({ argv, env = {}, workingDirectory = "/", terminal }: Command): void {
  const [name] = argv;
  refuseUnless(name, "MALFORMED", "there is no command; give at least its name");
  refuseUnless(
    Object.keys(env).every((key) => VARIABLE.test(key)),
    "MALFORMED",
    "an environment variable has no name a program could use",
  );
  refuseUnless(
    workingDirectory.startsWith("/"),
    "MALFORMED",
    "the working directory must be an absolute path",
  );
  const texts = [...argv, ...Object.values(env), workingDirectory];
  refuseUnless(
    !texts.some((text) => text.includes("\0")),
    "MALFORMED",
    "a command carries a NUL; no program could read it",
  );
  refuseUnless(!terminal || isTerminal(terminal), "MALFORMED", "that is no terminal a program could use");
}

function isTerminal({ type, columns, rows }: Terminal): boolean {
  return TERMINAL_TYPE.test(type) && [columns, rows].every(isSize);
}

/** Whether the kernel has room for a terminal of so many characters in one direction. */
export function isSize(characters: number): boolean {
  return Number.isInteger(characters) && characters >= 0 && characters <= 0xffff;
}
