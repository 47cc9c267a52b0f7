import { readIfPresent } from "#shared/runtime/durable-file.ts";
import { isInImage, pathInImage, readInImage } from "../images/image-files.ts";
import { hasShell } from "../images/image-seed.ts";

/** Whom people are inside a sliver: the account that its node gives it, beside those of its image. */
export type Login = {
  /** The slice's. */
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
  /** The image has no /bin/sh: nothing but its own programs can be run. */
  readonly withoutShell?: true;
};

const FIRST_USER = 1000;
const SUDO = ["usr/bin/sudo", "bin/sudo", "usr/local/bin/sudo"];
const SHELLS = ["bin/bash", "bin/sh"];

/**
 * The account named like the slice. It is an ordinary user that may do everything with sudo; where the image has no
 * sudo it has root's number instead, since nobody could install anything otherwise.
 */
export async function loginOf(slice: string, imageRoot: string): Promise<Login> {
  const number = firstOf(SUDO, imageRoot) === undefined ? 0 : FIRST_USER;
  const shell = `/${firstOf(SHELLS, imageRoot) ?? "bin/sh"}`;
  const account = { name: slice, uid: number, gid: number, home: `/home/${slice}`, shell };
  return hasShell(imageRoot) ? account : { ...account, withoutShell: true };
}

/** Root, for commands of the node's own. */
export const ROOT: Login = { name: "root", uid: 0, gid: 0, home: "/root", shell: "/bin/sh" };

/** Every image gets these, so that users have names. */
const NEEDED: Readonly<Record<string, string>> = {
  passwd: "root:x:0:0:root:/root:/bin/sh\n",
  group: "root:x:0:\n",
};

/** Files of /etc as they are with the account in them, by their names: those the image has, and those all need. */
export async function accountFiles(login: Login, imageRoot: string): Promise<Map<string, string>> {
  const { name, uid, gid, home, shell } = login;
  const lines: Readonly<Record<string, string>> = {
    passwd: `${name}:x:${uid}:${gid}::${home}:${shell}`,
    group: `${name}:x:${gid}:`,
    // No password is right. The third field is a day on which one was set, as PAM asks for.
    shadow: `${name}:*:1:0:99999:7:::`,
    gshadow: `${name}:!::`,
  };
  const files = new Map<string, string>();
  for (const [file, line] of Object.entries(lines)) {
    const path = `etc/${file}`;
    // Where the image's link leads to nothing yet, the sliver's own disk may have it.
    const isElsewhere = isInImage(imageRoot, path) && pathInImage(imageRoot, path) === undefined;
    const text = isElsewhere ? undefined : ((await readInImage(imageRoot, path)) ?? NEEDED[file]);
    if (text !== undefined) files.set(file, withAccount(text, name, line));
  }
  return files;
}

/** The line comes second: after root, so that root's number stays root's, and before anybody with the same number. */
function withAccount(text: string, name: string, line: string): string {
  const others = text.split("\n").filter((other) => other !== "" && !other.startsWith(`${name}:`));
  return `${[...others.slice(0, 1), line, ...others.slice(1)].join("\n")}\n`;
}

/** Reads what the seed step wrote; a sliver that was started by an earlier node manager has no account but root. */
export async function readLogin(path: string): Promise<Login> {
  const bytes = await readIfPresent(path);
  return bytes ? JSON.parse(bytes.toString()) : ROOT;
}

function firstOf(paths: readonly string[], imageRoot: string): string | undefined {
  return paths.find((path) => isInImage(imageRoot, path));
}
