import assert from "node:assert/strict";
import { test } from "node:test";
import { archive, fileEntry } from "#services/node-manager/backends/microvm/cpio.ts";
import {
  FRAME,
  FrameReader,
  frame,
  MOST_PAYLOAD,
  preamble,
} from "#services/node-manager/backends/microvm/frames.ts";
import { unpackLz4 } from "#services/node-manager/backends/microvm/lz4.ts";
import { fault } from "#test/contract/backend.ts";

const NONCE = Buffer.alloc(16, 7);
const HELLO = frame(FRAME.hello, 0, NONCE);

/** What a reader makes of a stream that comes in pieces of this size. */
function read(stream: Buffer, size: number) {
  const reader = new FrameReader(NONCE);
  const frames = [];
  for (let at = 0; at < stream.length; at += size)
    frames.push(...reader.read(stream.subarray(at, at + size)));
  return frames.map(({ type, channel, payload }) => [type, channel, payload.toString()]);
}

test("frames are read from the agent's hello on, however they come", () => {
  const before = Buffer.concat([frame(FRAME.output, 1, Buffer.from("another's")), HELLO.subarray(0, 11)]);
  const ours = [frame(FRAME.output, 2, Buffer.from("ours")), frame(FRAME.errors, 3)];
  const stream = Buffer.concat([before, HELLO, ...ours]);
  for (const size of [1, 5, 7, stream.length]) {
    assert.deepEqual(read(stream, size), [
      [FRAME.output, 2, "ours"],
      [FRAME.errors, 3, ""],
    ]);
  }
});

test("what is no frame ends the link", () => {
  const wrongEnd = frame(FRAME.output, 1, Buffer.from("x"));
  wrongEnd[wrongEnd.length - 1] = 0;
  const tooLong = frame(FRAME.output, 1);
  tooLong.writeUInt32LE(MOST_PAYLOAD + 1, 5);
  for (const bad of [wrongEnd, tooLong])
    assert.throws(() => read(Buffer.concat([HELLO, bad]), 1000), fault("BACKEND_FAILED"));
});

test("a preamble is longer than any half frame before it", () => {
  const longest = frame(FRAME.input, 1, Buffer.alloc(MOST_PAYLOAD));
  assert.ok(preamble(NONCE).indexOf(frame(FRAME.sync, 0, NONCE)) >= longest.length);
});

test("LZ4 is unpacked, repeating matches too, and what is broken is refused", () => {
  // "ab", then 8 bytes from 2 bytes back, then "c".
  const block = Buffer.from([0x24, 0x61, 0x62, 2, 0, 0x10, 0x63]);
  const packed = Buffer.concat([Buffer.from([2, 0x21, 0x4c, 0x18, block.length, 0, 0, 0]), block]);
  assert.equal(unpackLz4(packed).toString(), "ababababab" + "c");
  const farther = Buffer.from(packed);
  farther[8 + 3] = 3;
  assert.throws(() => unpackLz4(farther), RangeError);
  assert.throws(() => unpackLz4(Buffer.from("something else")), RangeError);
});

test("an archive is what cpio reads", () => {
  const whole = archive([fileEntry("init", "x", 0o755)]);
  assert.equal(whole.length % 4, 0);
  assert.match(whole.toString(), /^07070100000001000081ED/i);
  assert.ok(whole.includes("TRAILER!!!"));
});
