import { Fault } from "#shared/model/errors.ts";
import type { SshAccess } from "#shared/model/lease.ts";
import type { Effort } from "../network/fan-out.ts";
import { withinDeadline } from "../network/fan-out.ts";
import { openGateway } from "../ssh/gateway.ts";
import { shellWord } from "../ssh/shell.ts";
import { UsageError } from "../terminal/exit-code.ts";

/*
 * The script in every sliver that keeps its programs running: docs/reference/programs.md has its verbs and answers.
 */

const KEEPER = "/usr/lib/slicelab/program";
const MISSING = 69;
const NO_PROGRAM = 66;
const NO_SHELL = 127;
/** A sliver's own complaint is told, but not all of a long one. */
const MOST_COMPLAINT = 500;
const MOST_ANSWER = 1024 * 1024;
const ANSWER = "slicelab-program";

/** The program that a description has, and that is meant when none is named. */
export const MAIN_PROGRAM = "main";

/** What a sliver said of its programs: lines of words. Where an engine only pretends, there is none. */
export type KeeperAnswer = { readonly lines: readonly (readonly string[])[]; readonly said: string };

export type Keeper = {
  readonly access: SshAccess;
  readonly privateKey: string;
  readonly effort: Pick<Effort, "signal" | "deadlineMs">;
};

/** The name of a program. Throws UsageError for what is none. */
export function checkProgramName(text: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,30}$/.test(text)) return text;
  throw new UsageError(`"${text}" is no program's name; write 1 to 31 of a-z, 0-9 and -`);
}

/** What the sliver's shell is given. */
export function keeperCommand(words: readonly string[]): string {
  const sentence = "nothing keeps programs in this sliver: its node is too old, or its engine cannot do it";
  return `[ -r ${KEEPER} ] || { echo "${sentence}" >&2; exit ${MISSING}; }
exec /bin/sh ${KEEPER} ${words.map(shellWord).join(" ")}`;
}

/**
 * Asks a sliver to do something with its programs. Throws NO_SLICE when it keeps none of that name, BACKEND_FAILED with
 * what it complained of, which may depend on its image.
 */
export async function askKeeper(
  { access, privateKey, effort }: Keeper,
  words: readonly string[],
  stdin?: Buffer,
): Promise<KeeperAnswer> {
  let [said, complaint] = ["", ""];
  const code = await withinDeadline(`asking ${access.host} about its programs`, effort, async (signal) => {
    using gateway = await openGateway(access, privateKey, { signal, deadlineMs: effort.deadlineMs });
    return await gateway.run({
      command: keeperCommand(words),
      stdin,
      stdout: (chunk) => {
        said = (said + chunk.toString("utf8")).slice(0, MOST_ANSWER);
      },
      stderr: (chunk) => {
        complaint = (complaint + chunk.toString("utf8")).slice(0, MOST_COMPLAINT);
      },
    });
  });
  if (code !== 0) throw keeperFault(code, complaint);
  return { lines: answersIn(said), said: said.trim() };
}

export function answersIn(text: string): string[][] {
  const lines = text.split("\n").filter((line) => line === ANSWER || line.startsWith(`${ANSWER} `));
  return lines.map((line) => line.split(" ").slice(1));
}

/** Why the script of a sliver ended with another code than 0. */
export function keeperFault(code: number, complaint: string): Fault {
  const said = complaint
    .trim()
    .replace(/^slicelab: /, "")
    .replace(/\s+/g, " ");
  if (code === NO_PROGRAM) return new Fault("NO_SLICE", `${said}; slice ps shows those that are`);
  const shell = "its image has no shell to start programs with; choose another image";
  const why = code === NO_SHELL ? shell : said || `its shell ended with ${code}`;
  return new Fault("BACKEND_FAILED", `the sliver could not do it: ${why}`);
}
