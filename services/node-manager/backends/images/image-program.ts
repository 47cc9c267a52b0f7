import { refuseUnless } from "#shared/model/errors.ts";
import { readInImage } from "./image-files.ts";
import type { OciWishes } from "./oci-image.ts";

/** What an image says is to run in every sliver made over it, from each of its starts on. */
export type ImageProgram = {
  readonly argv: readonly string[];
  readonly user: ImageUser;
  readonly workingDirectory: string;
};

export type ImageUser = { readonly uid: number; readonly gid: number; readonly home: string };

/** Environment variables, for the program and for every other command in the sliver. */
export type ImageEnvironment = Readonly<Record<string, string>>;

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const NUMBER = /^(0|[1-9][0-9]{0,8})$/;
const MOST_TEXT = 128 * 1024;

/** Reads what an OCI image wishes, whose root is unpacked at `root`. MALFORMED when no sliver could do it. */
export async function readProgram(
  { entrypoint, command, environment, user, workingDirectory }: OciWishes,
  root: string,
): Promise<{ program?: ImageProgram; environment: ImageEnvironment }> {
  const argv = [...entrypoint, ...command];
  const texts = [...argv, ...environment, workingDirectory];
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  refuseUnless(length <= MOST_TEXT, "TOO_LARGE", "the image's command and environment are too long to run");
  refuseUnless(!texts.some((text) => text.includes("\0")), "MALFORMED", "the image's command carries a NUL");
  const variables = environment
    .map((entry) => entry.split(/=(.*)/s, 2) as [string, string?])
    .filter(([name]) => VARIABLE.test(name));
  const read = { environment: Object.fromEntries(variables.map(([name, value = ""]) => [name, value])) };
  if (argv.length === 0) return read;
  const place = workingDirectory.startsWith("/") ? workingDirectory : `/${workingDirectory}`;
  return { ...read, program: { argv, user: await readUser(user, root), workingDirectory: place } };
}

/** As Docker reads `USER`: NAME or NUMBER, with :GROUP or without, by the image's own accounts. */
async function readUser(text: string, root: string): Promise<ImageUser> {
  const [user = "", group = ""] = text.split(":");
  if (user === "" && group === "") return { uid: 0, gid: 0, home: await homeOf("0", root) };
  const account = (await rowsOf("passwd", root)).find(([name, , uid]) => name === user || uid === user);
  const uid = NUMBER.test(user) ? user : account?.[2];
  const ownGroup = account?.[3] ?? "0";
  const row = (await rowsOf("group", root)).find(([name]) => name === group);
  const gid = group === "" ? ownGroup : NUMBER.test(group) ? group : row?.[2];
  refuseUnless(
    uid !== undefined && gid !== undefined && NUMBER.test(uid) && NUMBER.test(gid),
    "MALFORMED",
    "the image's command runs as a user or group that the image does not have",
  );
  return { uid: Number(uid), gid: Number(gid), home: await homeOf(uid, root) };
}

async function homeOf(number: string, root: string): Promise<string> {
  const account = (await rowsOf("passwd", root)).find(([, , uid]) => uid === number);
  return account?.[5]?.startsWith("/") ? account[5] : "/";
}

async function rowsOf(file: string, root: string): Promise<string[][]> {
  const text = (await readInImage(root, `etc/${file}`)) ?? "";
  return text.split("\n").map((line) => line.split(":"));
}
