import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isInImage } from "./image-files.ts";
import type { ImageEnvironment, ImageProgram } from "./image-program.ts";
import type { Image } from "./images.ts";

/** Where the sliver's supervisor looks for what an image wants to run (docs/reference/programs.md). */
const PROGRAM = "var/lib/slicelab/programs/image";
/** Read by login shells after they have set a PATH of their own. */
const PROFILE = "etc/profile.d/slicelab-image.sh";
/** What every login and many programs take for granted, and some images lack. */
const DIRECTORIES: Readonly<Record<string, number>> = { root: 0o700, tmp: 0o1777 };

/** Puts what an image says about running it into a layer under a sliver's disk, in the words of what is inside. */
export async function seedImage(directory: string, image: Image): Promise<void> {
  const { program, environment, root } = image;
  for (const [name, mode] of Object.entries(DIRECTORIES)) {
    if (isInImage(root, name)) continue;
    await mkdir(join(directory, name), { recursive: true });
    await chmod(join(directory, name), mode);
  }
  if (environment) await putFile(directory, PROFILE, exportsOf(environment));
  if (!program || !hasShell(root)) return;
  const { uid, gid, home } = program.user;
  const files = {
    run: runScript(program, environment ?? {}),
    user: `${uid}:${gid}\n`,
    home: `${home}\n`,
    restart: "always\n",
    title: `${program.argv.join(" ").replace(/\s+/g, " ").slice(0, 200)}\n`,
    digest: `${image.digest ?? image.id}\n`, // last: without it there is no program
  };
  for (const [name, text] of Object.entries(files)) await putFile(directory, join(PROGRAM, name), text);
}

/** Whether anything that takes a shell works in slivers over this image from the first. */
export function hasShell(imageRoot: string): boolean {
  return isInImage(imageRoot, "bin/sh");
}

/** Its home is not where it works: an image says the one and its account the other. */
function runScript({ argv, workingDirectory, user }: ImageProgram, environment: ImageEnvironment): string {
  const variables = { HOME: user.home, ...environment };
  return `# What this sliver's image says is to run.
${exportsOf(variables)}cd ${shellWord(workingDirectory)} || exit 1
exec ${argv.map(shellWord).join(" ")}
`;
}

function exportsOf(environment: ImageEnvironment): string {
  return Object.entries(environment)
    .map(([name, value]) => `export ${name}=${shellWord(value)}\n`)
    .join("");
}

/** One word of any text, as sh reads it. */
function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

async function putFile(directory: string, path: string, text: string): Promise<void> {
  const place = join(directory, path);
  await putDirectories(directory, dirname(path));
  await writeFile(place, text);
  await chmod(place, 0o644);
}

/** These modes, whatever the node manager's umask is. */
async function putDirectories(root: string, inner: string): Promise<void> {
  if (inner === ".") return;
  await putDirectories(root, dirname(inner));
  await mkdir(join(root, inner), { recursive: true });
  await chmod(join(root, inner), 0o755);
}
