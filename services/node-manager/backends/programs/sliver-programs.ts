import { chmod, chown, copyFile, lstat, mkdir, opendir } from "node:fs/promises";
import { dirname, join } from "node:path";

/*
 * What keeps programs running in slivers is a script inside each of them: docs/reference/programs.md. Here is what an
 * engine needs to have it there and to run it, the same for all engines.
 */

/** What the scripts' own texts say, too. */
const LIBRARY = "usr/lib/slicelab";
const PROGRAMS = "var/lib/slicelab/programs";
const SCRIPTS = ["program", "start-programs"] as const;

/** Run once inside, as root, at every start of a sliver that has programs, when its network is there. */
export const START_PROGRAMS = ["/bin/sh", `/${LIBRARY}/start-programs`] as const;

/** Puts the scripts, and a place for programs that belongs to the login user, into a layer under a sliver's disk. */
export async function seedPrograms(directory: string, owner: { uid: number; gid: number }): Promise<void> {
  await Promise.all([
    putDirectories(directory, LIBRARY).then(() =>
      Promise.all(SCRIPTS.map((name) => putScript(directory, name))),
    ),
    putDirectories(directory, PROGRAMS).then(() => chown(join(directory, PROGRAMS), owner.uid, owner.gid)),
  ]);
}

/**
 * Whether a sliver has programs, or what may be some: its owner decides what lies there, so this is only ever asked to
 * save the time of looking inside. A link may lead to some inside, and anywhere outside: it is not followed. To be asked
 * before anything runs in the sliver that could put one there meanwhile.
 */
export async function mayHavePrograms(root: string): Promise<boolean> {
  let path = root;
  try {
    for (const name of PROGRAMS.split("/")) {
      path = join(path, name);
      if ((await lstat(path)).isSymbolicLink()) return true;
    }
    await using directory = await opendir(path); // there may be more in it than fits into memory
    return (await directory.read()) !== null;
  } catch (error) {
    if (error instanceof Error && "code" in error) return false; // whatever else is there is no directory of programs
    throw error;
  }
}

async function putScript(directory: string, name: (typeof SCRIPTS)[number]): Promise<void> {
  const path = join(directory, LIBRARY, name);
  await copyFile(join(import.meta.dirname, `${name}.sh`), path);
  await chmod(path, MODE);
}

const MODE = 0o755;

/** With this mode, whatever the node manager's umask is. */
async function putDirectories(root: string, inner: string): Promise<void> {
  await mkdir(join(root, inner), { recursive: true });
  const places: string[] = [];
  for (let place = inner; place !== "."; place = dirname(place)) places.push(place);
  await Promise.all(places.map((place) => chmod(join(root, place), MODE)));
}
