import { createHash } from "node:crypto";
import type { Program } from "#shared/model/slice-description.ts";
import { shellWord } from "./shell.ts";
import type { KeptFile } from "./slice-record.ts";

/*
 * What a sliver's shell is told in order to keep a program running. Only what Debian's and busybox's
 * smallest images have: sh, coreutils, tar, and of util-linux flock and setsid.
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

/**
 * Puts a program into a sliver from an archive on standard input, unless exactly this one is there; starts its
 * supervisor, unless that runs or the program has ended for good; and waits until one of these is so. What was put
 * there only in part is not sealed, so it is put there again.
 */
export function launchCommand(digest: string): string {
  return `${HOME} && mkdir -p .program || exit 1
if [ "$(cat ${INSTALLED} 2>/dev/null)" != ${digest} ]; then
  tar -xf - && echo ${digest} >.program/sealing && mv -f .program/sealing ${INSTALLED} || exit 1
fi
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
