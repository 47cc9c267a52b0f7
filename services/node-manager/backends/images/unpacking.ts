import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { type Duplex, type Readable, Transform, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { Fault } from "#shared/model/errors.ts";
import { ENVIRONMENT, ProgramFailure } from "../machine/program.ts";
import { type ImageLimits, tooLarge } from "./image-limits.ts";

/** What a tar is read from: the first stream into the next, and whether the program behind them, if any, ended well. */
type Source = { readonly streams: readonly [Readable, ...Duplex[]]; readonly ended: Promise<void> };

type Argv = readonly [string, ...string[]];

/** How it shows that a program reads no more: tar may have closed its input before the last of it was written. */
const ENOUGH: ReadonlySet<string> = new Set(["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"]);

/**
 * What tar is told. It never leaves the directory it unpacks into: it drops a leading slash, refuses `..`, and makes links
 * that lead out only when everything else is in its place. What a /dev has in it is never used: a sliver has its own.
 */
const TAR = [
  ...["tar", "--extract", "--file=-", "--numeric-owner", "--same-owner", "--same-permissions"],
  ...["--xattrs", "--xattrs-include=security.capability", "--delay-directory-restore"],
  ...["--anchored", "--exclude=./dev/*", "--exclude=dev/*", "--warning=no-timestamp"],
];

/** Puts what a tar of a root holds into `root`, whatever packed it. TOO_LARGE before more than the limit was written. */
export async function unpackTar(path: string, root: string, limits: ImageLimits): Promise<void> {
  await unpack(await unpacked(path), root, limits);
}

/** Copies a root directory, without what is mounted in it. */
export async function copyTree(directory: string, root: string, limits: ImageLimits): Promise<void> {
  const options = [
    "--create",
    "--file=-",
    `--directory=${directory}`,
    "--one-file-system",
    "--numeric-owner",
  ];
  const attributes = ["--xattrs", "--xattrs-include=security.capability"];
  await unpack(outputOf("read the image's directory", ["tar", ...options, ...attributes, "."]), root, limits);
}

/**
 * How many bytes a packed file holds, and those `before` it. TOO_LARGE as soon as that is more than the limit; nothing is
 * kept of it.
 */
export async function unpackedBytes(path: string, limits: ImageLimits, before: number): Promise<number> {
  const { streams, ended } = await unpacked(path);
  const counter = limit(limits, before);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  await flow([...streams, counter.stream, nowhere]);
  await ended;
  return counter.bytes();
}

/**
 * The argv of a program that can write no file larger than an image may be, and ends with this process, however that ends:
 * what it was making is then nobody's, and the next one removes it.
 */
export function bounded(limits: ImageLimits, argv: Argv): Argv {
  return ["setpriv", "--pdeathsig", "KILL", "--", "prlimit", `--fsize=${limits.bytes}`, "--", ...argv];
}

async function unpack(source: Source, root: string, limits: ImageLimits): Promise<void> {
  const argv = bounded(limits, ["tar", ...TAR.slice(1), `--directory=${root}`]);
  const [file, ...rest] = argv;
  const child = spawn(file, rest, { env: ENVIRONMENT, stdio: ["pipe", "ignore", "pipe"] });
  const ended = endOf("unpack the image", child, argv);
  try {
    await flow([...source.streams, limit(limits).stream, child.stdin]);
  } catch (error) {
    child.kill("SIGKILL");
    await ended.catch(() => undefined); // so that it writes nothing more
    throw error;
  }
  await ended;
  await source.ended;
}

/** As `pipeline`; a reader that needs no more of it is no failure, the reader's own end says whether it was one. */
async function flow(streams: readonly [Readable, ...(Duplex | Writable)[]]): Promise<void> {
  try {
    await pipeline(streams);
  } catch (error) {
    if (error instanceof Fault) throw error;
    if (ENOUGH.has((error as NodeJS.ErrnoException).code ?? "")) return;
    throw new Fault("BACKEND_FAILED", "the image's file can't be read; is it whole?", { cause: error });
  }
}

/** Counts what passes, and ends with TOO_LARGE. */
function limit(limits: ImageLimits, before = 0): { stream: Transform; bytes: () => number } {
  let bytes = before;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > limits.bytes) done(new Fault("TOO_LARGE", tooLarge(limits)));
      else done(undefined, chunk);
    },
  });
  return { stream, bytes: () => bytes };
}

/** By what the file begins with; names say little. */
async function unpacked(path: string): Promise<Source> {
  const begin = await beginOf(path);
  const xz = begin.startsWith("fd377a585a00");
  if (xz)
    return outputOf("unpack xz (is xz-utils installed?)", ["xz", "--decompress", "--stdout", "--", path]);
  const file = createReadStream(path);
  const ended = Promise.resolve();
  if (begin.startsWith("1f8b")) return { streams: [file, createGunzip()], ended };
  if (begin.startsWith("28b52ffd")) return { streams: [file, createZstdDecompress()], ended };
  return { streams: [file], ended };
}

async function beginOf(path: string): Promise<string> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(6), 0, 6, 0);
  return buffer.toString("hex", 0, bytesRead);
}

function outputOf(purpose: string, argv: Argv): Source {
  const [file, ...rest] = argv;
  const child = spawn(file, rest, { env: ENVIRONMENT, stdio: ["ignore", "pipe", "pipe"] });
  return { streams: [child.stdout], ended: endOf(purpose, child, argv) };
}

/** Settles when a program has ended well. */
function endOf(purpose: string, child: ChildProcess, argv: Argv): Promise<void> {
  const ended = Promise.all([
    new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    }),
    text(child.stderr!),
  ]).then(
    ([code, stderr]) => {
      if (code !== 0) throw failed(purpose, new ProgramFailure(argv, code, stderr));
    },
    (cause) => {
      throw failed(purpose, cause);
    },
  );
  ended.catch(() => undefined); // whoever waits for it is told
  return ended;
}

function failed(purpose: string, cause: unknown): Fault {
  return new Fault("BACKEND_FAILED", `the node could not ${purpose}; is it a root's tar or directory?`, {
    cause,
  });
}
