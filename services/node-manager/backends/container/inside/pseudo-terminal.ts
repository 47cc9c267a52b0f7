import { closeSync, constants, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, type Readable, Writable } from "node:stream";
import { ReadStream } from "node:tty";

/** A terminal between us and a program: what is written to `input` is typed, what the program shows is `output`. */
export type PseudoTerminal = {
  /** The program's end, a file descriptor, to be its standard input and outputs. */
  readonly programEnd: number;
  /** Closes our copy of the program's end: to be called once the program has it. */
  handOver(): void;
  readonly input: Writable;
  /** Ends when no program has the other end any more, and not before everything was read. */
  readonly output: Readable;
  /**
   * In characters. `carrier` is the process that carries between this terminal and one that it has opened itself: that
   * one has the size too when this returns, so that what is typed afterwards finds it.
   */
  resize(columns: number, rows: number, carrier?: number): void;
};

/**
 * Opens a terminal of so many characters that leaves everything as it is: lines and keys are the business of the one
 * that a carrier opens. Neither end is inherited by programs that are started meanwhile.
 */
export async function openPseudoTerminal(columns: number, rows: number): Promise<PseudoTerminal> {
  const { openPeer, passOnAll, setSize, setSizeOf } = await import("./terminal-driver.ts");
  const ours = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY); // Node adds O_CLOEXEC
  try {
    setSize(ours, columns, rows);
    passOnAll(ours);
    const programEnd = openPeer(ours);
    const stream = new ReadStream(ours);
    return {
      programEnd,
      handOver: () => closeSync(programEnd),
      input: typing(stream),
      output: showing(stream),
      resize(newColumns, newRows, carrier) {
        // Once it is closed, another file may have its number.
        if (stream.destroyed) return;
        setSize(ours, newColumns, newRows);
        // The carrier will do it as well, but no sooner than it comes to that; input could be there before.
        for (const inner of openedBy(carrier)) setSizeOf(carrier!, inner, newColumns, newRows);
      },
    };
  } catch (error) {
    closeSync(ours);
    throw error;
  }
}

/** Terminals that a process has opened for others, by its file descriptors (proc(5): only these have an index). */
function openedBy(pid: number | undefined): number[] {
  const directory = `/proc/${pid}/fdinfo`;
  const names = whileItLasts(() => readdirSync(directory)) ?? [];
  return names
    .filter((name) => whileItLasts(() => readFileSync(join(directory, name), "utf8"))?.includes("tty-index:"))
    .map(Number);
}

/** Undefined for what has just ended or was closed, and for what we may not look at. */
function whileItLasts<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ESRCH", "EACCES"].includes(code)) return undefined;
    throw error;
  }
}

function showing(stream: ReadStream): Readable {
  const output = stream.pipe(new PassThrough());
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // What the kernel says when the other end is closed and everything was read.
    if (error.code === "EIO") output.end();
    else output.destroy(error);
  });
  return output;
}

/** The end of the input is no end of a terminal: whoever types on it says so with a character. */
function typing(stream: ReadStream): Writable {
  return new Writable({
    write(chunk, _encoding, done) {
      if (stream.destroyed) done();
      else stream.write(chunk, () => done());
    },
  });
}
