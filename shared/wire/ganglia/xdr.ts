import { Fault, refuseUnless } from "../../model/errors.ts";

const WORD = 4;
/** Text that cannot stand in the dump's XML, or would break its lines. */
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\ufffe\uffff]/u;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads what XDR (RFC 4506) wrote: big-endian words of four bytes, texts with their length before them and zeros behind
 * them up to the next word. Whatever is short, too long or padded with anything else is MALFORMED.
 */
export class XdrReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  uint(): number {
    return this.#bytes.readUInt32BE(this.#take(WORD));
  }

  int(): number {
    return this.#bytes.readInt32BE(this.#take(WORD));
  }

  float(): number {
    return this.#bytes.readFloatBE(this.#take(WORD));
  }

  double(): number {
    return this.#bytes.readDoubleBE(this.#take(2 * WORD));
  }

  boolean(): boolean {
    const value = this.uint();
    refuseUnless(value <= 1, "MALFORMED", "a boolean of the packet is neither 0 nor 1");
    return value === 1;
  }

  /** A text of at most `maxBytes`: UTF-8 without control characters. */
  text(maxBytes: number): string {
    const length = this.uint();
    refuseUnless(length <= maxBytes, "MALFORMED", `a text of the packet is longer than ${maxBytes} bytes`);
    const start = this.#take(length + padding(length));
    const padded = this.#bytes.subarray(start + length, this.#at);
    refuseUnless(
      padded.every((byte) => byte === 0),
      "MALFORMED",
      "a text of the packet is not padded with zeros",
    );
    const text = decode(this.#bytes.subarray(start, start + length));
    refuseUnless(!FORBIDDEN.test(text), "MALFORMED", "a text of the packet has control characters");
    return text;
  }

  /** Everything must have been read. */
  end(): void {
    refuseUnless(this.#at === this.#bytes.length, "MALFORMED", "the packet goes on after its end");
  }

  #take(length: number): number {
    const start = this.#at;
    refuseUnless(start + length <= this.#bytes.length, "MALFORMED", "the packet ends too early");
    this.#at += length;
    return start;
  }
}

function decode(bytes: Buffer): string {
  try {
    return UTF8.decode(bytes);
  } catch (cause) {
    throw new Fault("MALFORMED", "a text of the packet is not UTF-8", { cause });
  }
}

/** Writes what XdrReader reads. */
export class XdrWriter {
  readonly #parts: Buffer[] = [];

  uint(value: number): this {
    return this.#word((word) => word.writeUInt32BE(value));
  }

  int(value: number): this {
    return this.#word((word) => word.writeInt32BE(value));
  }

  float(value: number): this {
    return this.#word((word) => word.writeFloatBE(value));
  }

  double(value: number): this {
    const words = Buffer.alloc(2 * WORD);
    words.writeDoubleBE(value);
    this.#parts.push(words);
    return this;
  }

  text(value: string): this {
    const bytes = Buffer.from(value);
    this.uint(bytes.length);
    this.#parts.push(bytes, Buffer.alloc(padding(bytes.length)));
    return this;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #word(write: (word: Buffer) => void): this {
    const word = Buffer.alloc(WORD);
    write(word);
    this.#parts.push(word);
    return this;
  }
}

function padding(length: number): number {
  return (WORD - (length % WORD)) % WORD;
}
