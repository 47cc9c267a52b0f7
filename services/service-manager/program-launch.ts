import { Fault } from "#shared/model/errors.ts";
import type { SshAccess } from "#shared/model/lease.ts";
import type { Program } from "#shared/model/slice-description.ts";
import { type Effort, withinDeadline } from "./fan-out.ts";
import { openGateway } from "./gateway.ts";
import { launchCommand, programDigest, SUPERVISOR_PATH, supervisorScript } from "./program-script.ts";
import type { SliceJournal } from "./slice-journal.ts";
import { tarOf } from "./tar.ts";

/** All that is sent into a sliver to have a program running there: one command and what it reads. */
export type Launch = { readonly command: string; readonly archive: Buffer };

/** A sliver's own complaint is told, but not all of a long one. */
const MOST_COMPLAINT = 500;

/** The launch of a slice's program, the same for every sliver, from the files the journal keeps. */
export async function launchOf(program: Program, journal: SliceJournal): Promise<Launch> {
  const { files, createdAt } = journal.record;
  const kept = await Promise.all(
    files.map(async ({ path, mode, sha256 }) => ({ path, mode, contents: await journal.file(sha256) })),
  );
  const supervisor = { path: SUPERVISOR_PATH, mode: 0o644, contents: Buffer.from(supervisorScript(program)) };
  return {
    command: launchCommand(programDigest(program, files)),
    archive: tarOf([...kept, supervisor], createdAt),
  };
}

/**
 * Has a program running in a sliver, under a supervisor that outlives the connection. What is there already is neither
 * put there again nor started twice: the sliver itself knows, so a rerun needs no memory. Throws BACKEND_FAILED with
 * what the sliver complained of, which depends on its image alone.
 */
export async function launch(
  { command, archive }: Launch,
  access: SshAccess,
  privateKey: string,
  effort: Effort,
): Promise<void> {
  let complaint = "";
  const code = await withinDeadline(`starting the program at ${access.host}`, effort, async (signal) => {
    using gateway = await openGateway(access, privateKey, { signal, deadlineMs: effort.deadlineMs });
    return await gateway.run({
      command,
      stdin: archive,
      stderr: (chunk) => {
        complaint = (complaint + chunk.toString("utf8")).slice(0, MOST_COMPLAINT);
      },
    });
  });
  if (code === 0) return;
  const why = complaint.trim().replace(/\s+/g, " ") || `its shell ended with ${code}`;
  throw new Fault("BACKEND_FAILED", `the program could not be started in its sliver: ${why}`);
}
