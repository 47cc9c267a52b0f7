import { closeSync, constants, openSync } from "node:fs";
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
  /** In characters. */
  resize(columns: number, rows: number): void;
};

/** Opens a terminal of so many characters. Neither end is inherited by programs that are started meanwhile. */
export async function openPseudoTerminal(columns: number, rows: number): Promise<PseudoTerminal> {
  const { openPeer, setSize } = await import("./terminal-driver.ts");
  const ours = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY); // Node adds O_CLOEXEC
  try {
    setSize(ours, columns, rows);
    const programEnd = openPeer(ours);
    const stream = new ReadStream(ours);
    return {
      programEnd,
      handOver: () => closeSync(programEnd),
      input: typing(stream),
      output: showing(stream),
      resize(newColumns, newRows) {
        // Once it is closed, another file may have its number.
        if (!stream.destroyed) setSize(ours, newColumns, newRows);
      },
    };
  } catch (error) {
    closeSync(ours);
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
