import { Fault } from "#shared/model/errors.ts";

/*
 * The frames between a node manager and the agent in a microvm, as agent/agent.h says them: type, channel, length, the
 * payload and an end mark.
 */
const HEADER = 9;
export const MOST_PAYLOAD = 16_384;
const END_MARK = 0xe7;
/** How much of an input, or of an output, may be on its way. */
export const WINDOW = 131_072;

export const FRAME = {
  sync: 1,
  describe: 2,
  open: 3,
  input: 4,
  credit: 5,
  signal: 6,
  resize: 7,
  leave: 8,
  connect: 9,
  listen: 10,
  count: 11,
  powerOff: 12,
  hello: 64,
  started: 65,
  failed: 66,
  output: 67,
  errors: 68,
  taken: 69,
  ended: 70,
  arrived: 71,
  counted: 72,
} as const;

export type Frame = { readonly type: number; readonly channel: number; readonly payload: Buffer };

export function frame(type: number, channel: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(type, 0);
  header.writeUInt32LE(channel, 1);
  header.writeUInt32LE(payload.length, 5);
  return Buffer.concat([header, payload, Buffer.from([END_MARK])]);
}

/**
 * What a node manager says first. An earlier one may have left half a frame: as many zeros as a frame can be long fill
 * it, and mean nothing anywhere else.
 */
export function preamble(nonce: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(HEADER + MOST_PAYLOAD + 1), frame(FRAME.sync, 0, nonce)]);
}

/** Numbers of 32 bits, as payloads hold them. */
export function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, 4 * index);
  return bytes;
}

export function word(payload: Buffer, index: number): number {
  return payload.length >= 4 * index + 4 ? payload.readUInt32LE(4 * index) : 0;
}

/**
 * Takes a stream of bytes apart, from the HELLO that answers `nonce` on; what comes before was meant for another. The
 * other side is the sliver's: what is no frame throws BACKEND_FAILED.
 */
export class FrameReader {
  readonly nonce: Buffer;
  readonly #hello: Buffer;
  #greeted = false;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(nonce: Buffer) {
    this.nonce = nonce;
    this.#hello = frame(FRAME.hello, 0, nonce);
  }

  get greeted(): boolean {
    return this.#greeted;
  }

  *read(chunk: Buffer): Generator<Frame> {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    if (!this.#greeted && !this.#skip()) return;
    let at = 0;
    while (this.#bytes.length - at >= HEADER) {
      const length = this.#bytes.readUInt32LE(at + 5);
      const end = at + HEADER + length;
      if (length > MOST_PAYLOAD) throw broken();
      if (this.#bytes.length <= end) break;
      if (this.#bytes[end] !== END_MARK) throw broken();
      const payload = this.#bytes.subarray(at + HEADER, end);
      yield { type: this.#bytes.readUInt8(at), channel: this.#bytes.readUInt32LE(at + 1), payload };
      at = end + 1;
    }
    this.#bytes = this.#bytes.subarray(at);
  }

  #skip(): boolean {
    const at = this.#bytes.indexOf(this.#hello);
    this.#greeted = at >= 0;
    const from = this.#greeted ? at + this.#hello.length : this.#bytes.length - this.#hello.length;
    this.#bytes = this.#bytes.subarray(Math.max(0, from));
    return this.#greeted;
  }
}

/** What was said by no agent of ours. */
export function broken(): Fault {
  return new Fault(
    "BACKEND_FAILED",
    "the sliver's agent says what no agent says; stop the sliver and start it",
  );
}
