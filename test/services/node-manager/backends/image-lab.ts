import { execFileSync } from "node:child_process";
import { chmod, copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ImageOrder } from "#services/node-manager/backends/images/image-import.ts";
import type { Image } from "#services/node-manager/backends/images/images.ts";
import { addImage } from "#services/node-manager/backends/images/images.ts";
import { temporaryDirectory } from "#test/support/directory.ts";

/** What an OCI image says about running it, as options of `umoci config` without their `--config.`. */
export type OciConfig = readonly (readonly [option: string, value: string])[];

/** A place for images, and for what they are made of. */
export type ImageLab = AsyncDisposable & {
  readonly path: string;
  readonly imagesDirectory: string;
  add(name: string, source: string, change?: Partial<ImageOrder>): Promise<Image>;
  /** Writes these files; a value that begins with `->` is a link. Gives the directory. */
  tree(name: string, files: Readonly<Record<string, string>>): Promise<string>;
  /** The same with a busybox that is every program of it. */
  busybox(name: string, files?: Readonly<Record<string, string>>): Promise<string>;
  /** Makes an OCI layout of a tree. Gives its directory. */
  layout(name: string, tree: string, config: OciConfig): string;
  /** Runs a program in the lab's directory, with this on its standard input. */
  run(file: string, argv: readonly string[], input?: Buffer): Buffer;
};

export const now = () => 1_900_000_000;

export async function imageLab(): Promise<ImageLab> {
  const directory = await temporaryDirectory();
  const { path } = directory;
  const imagesDirectory = join(path, "images");

  function run(file: string, argv: readonly string[], input?: Buffer): Buffer {
    return execFileSync(file, argv, { cwd: path, stdio: "pipe", ...(input && { input }) });
  }

  async function tree(name: string, files: Readonly<Record<string, string>>): Promise<string> {
    for (const [file, contents] of Object.entries(files)) {
      const place = join(path, name, file);
      await mkdir(dirname(place), { recursive: true });
      if (contents.startsWith("->")) await symlink(contents.slice(2), place);
      else await writeFile(place, contents);
    }
    return join(path, name);
  }

  return {
    path,
    imagesDirectory,
    run,
    tree,
    add: (name, source, change) => addImage({ imagesDirectory, name, source, now, ...change }),
    async busybox(name, files = {}) {
      const place = await tree(name, { "etc/hostname": "x\n", ...files });
      await mkdir(join(place, "bin"), { recursive: true });
      await copyFile("/bin/busybox", join(place, "bin/busybox"));
      for (const applet of run("/bin/busybox", ["--list"]).toString().trim().split("\n")) {
        if (applet !== "busybox") await symlink("busybox", join(place, "bin", applet));
      }
      await chmod(place, 0o755);
      return place;
    },
    layout(name, from, config) {
      const image = `${join(path, name)}:latest`;
      run("umoci", ["init", "--layout", join(path, name)]);
      run("umoci", ["new", "--image", image]);
      run("umoci", ["insert", "--image", image, from, "/"]);
      const options = config.flatMap(([option, value]) => [`--config.${option}`, value]);
      if (options.length > 0) run("umoci", ["config", "--image", image, ...options]);
      return join(path, name);
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** A tar with members that a tar program would not make. */
export function hostileTar(
  members: readonly (readonly [name: string, contents: string, link?: TarLink])[],
): Buffer {
  const blocks = members.flatMap(([name, contents, link]) => [
    header(name, contents.length, link),
    padded(contents),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** A member that is another name for something (`hard`), a symbolic link, or a device. */
export type TarLink = { readonly kind: "hard" | "symbolic" | "character"; readonly target: string };
const KINDS = { hard: "1", symbolic: "2", character: "3" } as const;

function header(name: string, size: number, link?: TarLink): Buffer {
  const block = Buffer.alloc(512);
  const put = (text: string, at: number) => block.write(text, at, "latin1");
  put(name, 0);
  put("0000644\0", 100);
  for (const at of [108, 116]) put("0000000\0", at);
  put(`${(link ? 0 : size).toString(8).padStart(11, "0")}\0`, 124);
  put("00000000000\0", 136);
  put("        ", 148);
  put(link ? KINDS[link.kind] : "0", 156);
  put(link && link.kind !== "character" ? link.target : "", 157);
  put("ustar\x0000", 257);
  for (const at of [329, 337]) put("0000001\0", at);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function padded(contents: string): Buffer {
  return Buffer.concat([Buffer.from(contents), Buffer.alloc((512 - (contents.length % 512)) % 512)]);
}
