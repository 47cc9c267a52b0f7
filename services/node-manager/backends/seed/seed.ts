import { chmod, chown, cp, lchown, mkdir, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { namesInImage, pathInImage } from "../images/image-files.ts";
import { seedImage } from "../images/image-seed.ts";
import type { Image } from "../images/images.ts";
import { walkTree } from "../images/tree.ts";
import { seedPrograms } from "../programs/sliver-programs.ts";
import { accountFiles, type Login, loginOf } from "./login.ts";

/** By this mark a program's processes are known when it is ended, those too that it started with sudo. */
const KEPT_BY_SUDO = 'Defaults env_keep += "SLICELAB_PROGRAM"\n';

/**
 * Writes what the node tells a sliver about itself, the account people use in it, and what its image says of running
 * it, as a layer under the sliver's own disk: the sliver may change these files and keeps its changes, the node may
 * refresh the rest at every start, and neither ever writes into the other's.
 */
export async function seed(
  directory: string,
  slice: string,
  image: Image,
  resolvConf: string,
): Promise<Login> {
  const { root: imageRoot } = image;
  const etc = join(directory, "etc");
  await putDirectory(etc, 0o755);
  const files = {
    hostname: `${slice}\n`,
    hosts: `127.0.0.1 localhost\n127.0.1.1 ${slice}\n::1 localhost ip6-localhost ip6-loopback\n`,
    "resolv.conf": resolvConf,
  };
  for (const [name, text] of Object.entries(files)) await putFile(join(etc, name), text, 0o644);
  const login = await loginOf(slice, imageRoot);
  await seedAccount(etc, login, imageRoot);
  await seedHome(directory, login, imageRoot);
  await seedPrograms(directory, login);
  await seedImage(directory, image);
  return login;
}

async function seedAccount(etc: string, login: Login, imageRoot: string): Promise<void> {
  for (const [name, text] of await accountFiles(login, imageRoot)) {
    const place = pathInImage(imageRoot, join("etc", name));
    const { mode, uid, gid } = place === undefined ? { mode: 0o644, uid: 0, gid: 0 } : await stat(place);
    await putFile(join(etc, name), text, mode & 0o777);
    await chown(join(etc, name), uid, gid);
  }
  const sudoers = join(etc, "sudoers.d");
  await putDirectory(sudoers, 0o750);
  const rule = `# Whoever has a key of the slice has all of its sliver.\n${login.name} ALL=(ALL:ALL) NOPASSWD: ALL\n${KEPT_BY_SUDO}`;
  await putFile(join(sudoers, "slicelab"), rule, 0o440);
}

/** As useradd makes it. What its owner changes or deletes in it stays so: that is on the sliver's own disk. */
async function seedHome(directory: string, { home, uid, gid }: Login, imageRoot: string): Promise<void> {
  const place = join(directory, home);
  await rm(place, { recursive: true, force: true }); // a link of an earlier start is not copied over
  for (const path of [dirname(place), place]) await putDirectory(path, 0o755);
  // Read where the image means it, whatever its links say of this machine.
  const skeleton = pathInImage(imageRoot, "etc/skel");
  for (const name of await namesInImage(imageRoot, "etc/skel")) {
    await cp(join(skeleton!, name), join(place, name), { recursive: true, verbatimSymlinks: true });
  }
  // A link of the image's may lead anywhere on this machine: what it leads to is not the home's.
  for await (const { path } of walkTree(place)) await lchown(path, uid, gid);
}

/** These modes, whatever the node manager's umask is. */
async function putDirectory(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(path, mode);
}

async function putFile(path: string, text: string, mode: number): Promise<void> {
  await writeFile(path, text);
  await chmod(path, mode);
}
