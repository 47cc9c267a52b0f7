import { createHash } from "node:crypto";
import type { Program } from "#shared/model/slice-description.ts";
import { shellWord } from "./shell.ts";
import type { KeptFile } from "./slice-record.ts";

/*
 * What a sliver's shell is told in order to keep a program running. Only what Debian's and busybox's
 * smallest images have: sh, coreutils, and of util-linux flock and setsid.
 *
 * In the sliver's home: the program's files; program.log, its output; .program/, ours. `.program/lock` is held by the
 * supervisor for as long as it lives, so a second one cannot start and one that was killed is not taken for alive.
 * `.program/ended` says that the program has ended for good, so that a rerun does not start it again.
 */

const HOME = `cd "\${HOME:-/root}"`;
const LOCK = ".program/lock";
const ENDED = ".program/ended";
const INSTALLED = ".program/installed";
/** Above this many bytes the log is set aside (one older log is kept) when the program starts again. */
const LOG_BYTES = 10 * 1024 * 1024;
const LONGEST_DELAY = 60;
/** Not every image's sleep knows fractions. */
const PAUSE = "sleep 0.1 2>/dev/null || sleep 1";

/** Where a program's output is read: relative to the sliver's home. */
export const PROGRAM_LOG = "program.log";

/** Names everything about a program: what is installed in a sliver is this one or another. */
export function programDigest(program: Program, files: readonly KeptFile[]): string {
  const { command, args, env, restart } = program;
  return createHash("sha256").update(JSON.stringify({ command, args, env, restart, files })).digest("hex");
}

/** Prints what is installed, if anything. */
export function installedCommand(): string {
  return `${HOME} && mkdir -p .program && if [ -e ${INSTALLED} ]; then cat ${INSTALLED}; fi`;
}

/** Takes a file from standard input: it appears whole, with its mode, or not at all. */
export function uploadCommand(path: string, mode: number, bytes: number): string {
  const directory = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".";
  const steps = [
    HOME,
    `mkdir -p .program ${shellWord(`./${directory}`)}`,
    "cat >.program/incoming",
    `[ "$(wc -c <.program/incoming)" -eq ${bytes} ]`,
    `chmod ${mode.toString(8)} .program/incoming`,
    `mv -f .program/incoming ${shellWord(`./${path}`)}`,
  ];
  return steps.join(" && ");
}

/** Says that everything of a program is there. */
export function sealCommand(digest: string): string {
  return `${HOME} && echo ${digest} >.program/sealing && mv -f .program/sealing ${INSTALLED}`;
}

export const SUPERVISOR_PATH = ".program/supervise";

/** The loop that keeps the program running. A program that keeps failing is started ever less often. */
export function supervisorScript({ command, args, env, restart }: Program): string {
  const exports = env.map(({ name, value }) => `export ${name}=${shellWord(value)}; `).join("");
  const run = `( ${exports}exec ${[command, ...args].map(shellWord).join(" ")} )`;
  const over = { always: "false", "on-failure": '[ "$code" -eq 0 ]', never: "true" }[restart];
  return `# Keeps this sliver's program running; written by the slice command.
${HOME} || exit 1
exec 9>${LOCK}
tries=0
until flock -n 9; do
  tries=$((tries + 1))
  if [ "$tries" -gt 100 ]; then exit 0; fi
  ${PAUSE}
done
if [ -e ${ENDED} ]; then exit 0; fi
delay=1
while :; do
  if [ -e ${PROGRAM_LOG} ] && [ "$(wc -c <${PROGRAM_LOG})" -gt ${LOG_BYTES} ]; then mv -f ${PROGRAM_LOG} ${PROGRAM_LOG}.1; fi
  began=$(date +%s)
  ${run} 9>&- >>${PROGRAM_LOG} 2>&1 </dev/null
  code=$?
  if ${over}; then
    echo "$code" >.program/ending && mv -f .program/ending ${ENDED}
    exit 0
  fi
  if [ $(($(date +%s) - began)) -ge ${LONGEST_DELAY} ]; then delay=1; fi
  sleep "$delay" 9>&-
  delay=$((delay * 2))
  if [ "$delay" -gt ${LONGEST_DELAY} ]; then delay=${LONGEST_DELAY}; fi
done
`;
}

/** Starts the supervisor unless it runs or the program has ended for good, and waits until that is so. */
export function startCommand(): string {
  return `${HOME} || exit 1
settled() { [ -e ${ENDED} ] || ! flock -n ${LOCK} true; }
if settled; then exit 0; fi
setsid sh ${SUPERVISOR_PATH} </dev/null >/dev/null 2>&1 &
tries=0
until settled; do
  tries=$((tries + 1))
  if [ "$tries" -gt 100 ]; then echo "the program's supervisor did not start" >&2; exit 75; fi
  ${PAUSE}
done`;
}
