import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { Fault } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import { commandOf, runCommandLine, sentenceOf, type Terminal } from "#shared/runtime/command-line.ts";
import { jsonText, outputOption, textTable } from "#shared/runtime/listing.ts";
import { IMAGE_LIMITS } from "./backends/images/image-limits.ts";
import {
  describeUsers,
  listImages,
  removeImage,
  type ShelvedImage,
  verifyImage,
} from "./backends/images/image-shelf.ts";
import { addImage } from "./backends/images/images.ts";
import { programFailure } from "./backends/machine/program.ts";
import { IMAGES_DIRECTORY } from "./backends/open.ts";

/** What the commands speak to, and the time. */
type ImageTerminal = Terminal & { readonly now: () => Instant };

const MIB = 1024 ** 2;

/** Runs one `slicelab image` command and gives its exit code. It needs the machine's images and no node manager. */
export function runImage(argv: readonly string[], terminal: ImageTerminal): Promise<number> {
  return runCommandLine(imageCommand(terminal), argv, terminal, { sentence: sentenceWithOutput });
}

/** What an operator is told, with what a program of the machine said. */
function sentenceWithOutput(error: unknown): string {
  const said = programFailure(error)?.stderr.trim().split("\n").slice(-3).join("\n  ");
  if (error instanceof Fault) return error.sentence + (said ? `\n  ${said}` : "");
  return sentenceOf(error);
}

/** `slicelab image` with all its commands. */
export function imageCommand(terminal: ImageTerminal): Command {
  const command = commandOf(
    "image",
    "The reference images of this machine, over which slivers are made. All of its nodes share them.",
    terminal,
  );
  addAdd(command, terminal);
  addList(command, terminal);
  addRemove(command, terminal);
  addVerify(command, terminal);
  return command;
}

function directoryOption(): Option {
  return new Option("--dir <directory>", "where this machine keeps its images").default(IMAGES_DIRECTORY);
}

function addAdd(parent: Command, { out, now }: ImageTerminal): void {
  type Options = { readonly dir: string; readonly limitMib: number; readonly digest?: string };
  parent
    .command("add")
    .description(
      "make an image of that name, or what its name stands for from now on, from what the source is now",
    )
    .argument("<name>", "what slice descriptions and node configurations call it")
    .argument(
      "<source>",
      "a root directory, a tar of one, an OCI layout, oci:, oci-archive:, docker-archive: PATH, docker-daemon:NAME, docker://REGISTRY/NAME:TAG, or a recipe: debian-12, busybox",
    )
    .addOption(directoryOption())
    .option("--digest <digest>", "refuse any other content")
    .option("--limit-mib <mib>", "the most it may hold, unpacked", wholeNumber, IMAGE_LIMITS.bytes / MIB)
    .action(async (name: string, source: string, { dir, limitMib, digest }: Options) => {
      const limits = { ...IMAGE_LIMITS, bytes: limitMib * MIB };
      const order = { imagesDirectory: resolve(dir), name, source: absolute(source), digest, limits, now };
      const image = await addImage(order);
      out(`${image.id} ${image.digest ?? ""}\n`);
    });
}

function addList(parent: Command, { out }: ImageTerminal): void {
  parent
    .command("list")
    .description("list the images, and who uses them; * marks what a name stands for")
    .addOption(directoryOption())
    .addOption(outputOption())
    .action(async ({ dir, output }: { dir: string; output: string }) => {
      const images = await listImages(resolve(dir));
      out(output === "json" ? jsonText(images.map(record)) : tableOf(images));
    });
}

function addRemove(parent: Command, { out }: ImageTerminal): void {
  parent
    .command("remove")
    .description("remove an image; refused while a sliver is made over it or a node offers it")
    .argument("<image>", "its name, or its id as listed")
    .addOption(directoryOption())
    .action(async (image: string, { dir }: { dir: string }) => {
      out(`${await removeImage(resolve(dir), image)} removed\n`);
    });
}

function addVerify(parent: Command, { out }: ImageTerminal): void {
  parent
    .command("verify")
    .description("recompute the digests of these images, or of all, and fail if one is not what it was")
    .argument("[image...]", "names or ids")
    .addOption(directoryOption())
    .action(async (asked: readonly string[], { dir }: { dir: string }) => {
      const directory = resolve(dir);
      const names = asked.length > 0 ? asked : (await listImages(directory)).map(({ id }) => id);
      const changed: string[] = [];
      for (const name of names) {
        const { id, recorded, found } = await verifyImage(directory, name);
        const outcome =
          recorded === undefined ? "has no digest to compare" : recorded === found ? "ok" : "CHANGED";
        if (outcome === "CHANGED") changed.push(id);
        out(`${id} ${outcome} ${found}\n`);
      }
      if (changed.length === 0) return;
      const sentence = `${changed.join(", ")} changed since it was made; make it again and move its slices there`;
      throw new Fault("BACKEND_FAILED", sentence);
    });
}

function record({ id, current, marker, users }: ShelvedImage): object {
  const { digest, manifest, source, made, bytes, program } = marker;
  return { id, current, digest, manifest, source, made, bytes, program: program?.argv, ...users };
}

function tableOf(images: readonly ShelvedImage[]): string {
  const rows = images.map(({ id, current, marker, users }) => [
    `${current ? "*" : " "} ${id}`,
    marker.bytes === undefined ? "" : String(Math.ceil(marker.bytes / MIB)),
    marker.made ?? "",
    marker.digest?.slice(0, 23) ?? "",
    marker.source ?? "by hand",
    describeUsers(users) || "unused",
  ]);
  return textTable([["  IMAGE", "MIB", "MADE", "DIGEST", "SOURCE", "USE"], ...rows]);
}

/** A relative path is one from here; recipes are no paths. */
function absolute(source: string): string {
  return /^\.{0,2}\/|^\.{1,2}$/.test(source)
    ? resolve(source)
    : source.replace(
        /^((?:oci|oci-archive|docker-archive):)(.+)/,
        (_, transport, path) => transport + resolve(path),
      );
}

function wholeNumber(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError("give a whole number");
  return Number(text);
}
