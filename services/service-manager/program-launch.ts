import { Fault } from "#shared/model/errors.ts";
import type { SshAccess } from "#shared/model/lease.ts";
import type { Program } from "#shared/model/slice-description.ts";
import { type Effort, withinDeadline } from "./fan-out.ts";
import { type Gateway, openGateway } from "./gateway.ts";
import {
  installedCommand,
  programDigest,
  SUPERVISOR_PATH,
  sealCommand,
  startCommand,
  supervisorScript,
  uploadCommand,
} from "./program-script.ts";
import type { SliceJournal } from "./slice-journal.ts";

/** A sliver's own complaint is told, but not all of a long one. */
const MOST_COMPLAINT = 500;
/** Everything but the files is short. */
const MOST_OUTPUT = 64 * 1024;

/**
 * Puts a program into a sliver and starts it there, under a supervisor that outlives the connection. What is there
 * already is neither put there again nor started twice: the sliver itself knows, so a rerun needs no memory.
 */
export async function launchProgram(
  program: Program,
  journal: SliceJournal,
  access: SshAccess,
  privateKey: string,
  effort: Effort,
): Promise<void> {
  await withinDeadline(`starting the program at ${access.host}`, effort, async (signal) => {
    using gateway = await openGateway(access, privateKey, { signal, deadlineMs: effort.deadlineMs });
    await install(gateway, program, journal);
    await output(gateway, startCommand());
  });
}

async function install(gateway: Gateway, program: Program, journal: SliceJournal): Promise<void> {
  const { files } = journal.record;
  const digest = programDigest(program, files);
  if ((await output(gateway, installedCommand())).trim() === digest) return;
  for (const { path, mode, sha256 } of files) await upload(gateway, path, mode, await journal.file(sha256));
  await upload(gateway, SUPERVISOR_PATH, 0o644, Buffer.from(supervisorScript(program)));
  await output(gateway, sealCommand(digest));
}

async function upload(gateway: Gateway, path: string, mode: number, contents: Buffer): Promise<void> {
  await output(gateway, uploadCommand(path, mode, contents.length), contents);
}

/** What a command of ours prints. Throws BACKEND_FAILED when it fails: it depends on the image alone. */
async function output(gateway: Gateway, command: string, stdin?: Buffer): Promise<string> {
  let [printed, complaint] = ["", ""];
  const code = await gateway.run({
    command,
    stdin,
    stdout: (chunk) => {
      printed = (printed + chunk.toString("utf8")).slice(0, MOST_OUTPUT);
    },
    stderr: (chunk) => {
      complaint = (complaint + chunk.toString("utf8")).slice(0, MOST_COMPLAINT);
    },
  });
  if (code !== 0) {
    const why = complaint.trim().replace(/\s+/g, " ") || `a shell command ended with ${code}`;
    throw new Fault("BACKEND_FAILED", `the program could not be started in its sliver: ${why}`);
  }
  return printed;
}
