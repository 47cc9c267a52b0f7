import { spawn } from "node:child_process";
import { once } from "node:events";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { Fault } from "#shared/model/errors.ts";
import { lockFile } from "#shared/runtime/lock-file.ts";
import type { Image } from "../images/images.ts";
import { ENVIRONMENT } from "../machine/program.ts";
import type { Daemon, DockerCall } from "./daemon.ts";

/** The first program of every sliver: it waits, and reaps what others leave behind. */
const INIT = "/usr/bin/catatonit";
/**
 * Where it lies inside. It is part of the image, since the daemon may run where this machine's files are not. A sliver
 * whose root deletes it cannot be started again.
 */
export const INIT_INSIDE = "/.slicelab-init";
/** How images are imported; what was imported in an earlier way is imported again. */
const RECIPE = "1";
const IMPORT_MILLISECONDS = 10 * 60_000;

/**
 * The daemon's own copy of a reference image, by the name under which containers are made of it. It is imported once for
 * all nodes of the machine, and stays: other nodes' slivers may be made of it.
 */
export async function ensureReferenceImage(
  daemon: Daemon,
  image: Image,
  imagesDirectory: string,
): Promise<string> {
  const [repo, tag] = [`slicelab/${image.name}`, image.id.replaceAll(/[^A-Za-z0-9_.-]/g, "-").slice(0, 128)];
  const name = `${repo}:${tag}`;
  if (await isImported(daemon, name)) return name;
  const lock = join(imagesDirectory, `.docker-${tag}.lock`);
  using _importing = await lockFile(lock, `the image ${image.name}`, IMPORT_MILLISECONDS);
  if (await isImported(daemon, name)) return name;
  await importImage(daemon, image.root, { repo, tag });
  return name;
}

async function isImported(daemon: Daemon, name: string): Promise<boolean> {
  const found = await daemon.find<{ Config: { Labels?: Record<string, string> } }>({
    purpose: "look for its image",
    path: `/images/${name}/json`,
  });
  return found?.Config.Labels?.["slicelab.recipe"] === RECIPE;
}

async function importImage(
  daemon: Daemon,
  root: string,
  { repo, tag }: { repo: string; tag: string },
): Promise<void> {
  const renamed = `--transform=s,^${basename(INIT)}$,.${INIT_INSIDE},`;
  const changes = `LABEL slicelab.recipe=${RECIPE}`;
  const query = { fromSrc: "-", repo, tag, changes };
  const archive = ["-C", root, renamed, ".", "-C", dirname(INIT), basename(INIT)];
  await sendArchive(
    { purpose: "import its image", method: "POST", path: "/images/create", query },
    archive,
    async (call) => {
      // The daemon answers before it has read the archive, and says afterwards what was wrong with it.
      const said = await daemon.text({ ...call, patienceMilliseconds: IMPORT_MILLISECONDS });
      if (/"errorDetail"/.test(said))
        throw new Fault("BACKEND_FAILED", "the docker engine could not import its image; try again", {
          cause: new Error(said.slice(-2000)),
        });
    },
  );
}

/** Sends what tar makes of `argv`, with owners, modes and extended attributes as they are, as a call's body. */
export async function sendArchive(
  call: DockerCall,
  argv: readonly string[],
  send: (call: DockerCall) => Promise<void>,
): Promise<void> {
  const options = ["--create", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--file=-"];
  const child = spawn("tar", [...options, ...argv], { env: ENVIRONMENT, stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "close") as Promise<[number | null]>;
  const [stderr, [code]] = await Promise.all([
    text(child.stderr),
    ended,
    send({ ...call, body: child.stdout as Readable }).finally(() => child.stdout.destroy()),
  ]);
  if (code === 0) return;
  const cause = new Error(`tar ended with ${code}: ${stderr.slice(0, 2000)}`);
  throw new Fault("BACKEND_FAILED", `the docker engine could not ${call.purpose}; try again`, { cause });
}
