import { type PassThrough, Writable } from "node:stream";

/** What stands before each piece of output: which one it belongs to, three zeroes, and its length. */
const HEADER_BYTES = 8;
const STDERR = 2;

/**
 * Takes what a command without a terminal writes, both outputs in one stream (Engine API, "Attach to a container",
 * stream format), and gives each what is its own. It takes no more while either of them is not read.
 */
export class Demultiplexer extends Writable {
  readonly #outputs: { stdout: PassThrough; stderr: PassThrough };
  #header = Buffer.alloc(0);
  #left = 0;
  #output: PassThrough;

  constructor(outputs: { stdout: PassThrough; stderr: PassThrough }) {
    super();
    this.#outputs = outputs;
    this.#output = outputs.stdout;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    let rest = chunk;
    let full: PassThrough | undefined;
    while (rest.length > 0) {
      if (this.#left === 0) rest = this.#readHeader(rest);
      const piece = rest.subarray(0, this.#left);
      rest = rest.subarray(piece.length);
      this.#left -= piece.length;
      // What nobody wants any more is thrown away.
      if (piece.length > 0 && !this.#output.destroyed && !this.#output.write(piece)) full = this.#output;
    }
    if (full) whenDrained(full, done);
    else done();
  }

  override _final(done: () => void): void {
    this.#outputs.stdout.end();
    this.#outputs.stderr.end();
    done();
  }

  /** Gives what follows the header, if it is whole by now. */
  #readHeader(chunk: Buffer): Buffer {
    const wanted = HEADER_BYTES - this.#header.length;
    this.#header = Buffer.concat([this.#header, chunk.subarray(0, wanted)]);
    if (this.#header.length === HEADER_BYTES) {
      const { stdout, stderr } = this.#outputs;
      this.#output = this.#header[0] === STDERR ? stderr : stdout;
      this.#left = this.#header.readUInt32BE(4);
      this.#header = Buffer.alloc(0);
    }
    return chunk.subarray(wanted);
  }
}

function whenDrained(output: PassThrough, done: () => void): void {
  const go = () => {
    output.off("drain", go).off("close", go);
    done();
  };
  output.on("drain", go).on("close", go);
}
