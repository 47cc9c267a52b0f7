const LEGACY = 0x184c2102;
const BLOCK = 8 * 1024 * 1024;
const LEAST_MATCH = 4;
const MORE = 15;

/**
 * Unpacks the "legacy" format of LZ4, in which Debian packs its kernels: blocks of up to 8 MiB, each with its length
 * before it. What follows the last block is not looked at. Throws RangeError for what is no such thing.
 */
export function unpackLz4(packed: Buffer): Buffer {
  if (packed.length < 4 || packed.readUInt32LE(0) !== LEGACY)
    throw new RangeError("not in LZ4's legacy format");
  const blocks: Buffer[] = [];
  let at = 4;
  while (at + 4 <= packed.length) {
    const length = packed.readUInt32LE(at);
    at += 4;
    if (length === 0 || at + length > packed.length) break;
    blocks.push(unpackBlock(packed.subarray(at, at + length)));
    at += length;
  }
  return Buffer.concat(blocks);
}

function unpackBlock(packed: Buffer): Buffer {
  const out = Buffer.allocUnsafe(BLOCK);
  let [at, end] = [0, 0];

  /** A length of 15 goes on in further bytes, up to one that is not 255. */
  function longer(length: number): number {
    if (length !== MORE) return length;
    let whole = length;
    let byte: number;
    do {
      byte = packed.readUInt8(at++);
      whole += byte;
    } while (byte === 255);
    return whole;
  }

  while (at < packed.length) {
    const token = packed.readUInt8(at++);
    const literals = longer(token >> 4);
    if (at + literals > packed.length || end + literals > BLOCK) throw new RangeError("broken LZ4 block");
    end += packed.copy(out, end, at, at + literals);
    at += literals;
    if (at >= packed.length) break;
    const distance = packed.readUInt16LE(at);
    at += 2;
    const match = longer(token & MORE) + LEAST_MATCH;
    if (distance === 0 || distance > end || end + match > BLOCK) throw new RangeError("broken LZ4 block");
    // A match may reach into what it is itself writing: then it repeats.
    if (distance >= match) out.copyWithin(end, end - distance, end - distance + match);
    else for (let byte = 0; byte < match; byte++) out[end + byte] = out[end + byte - distance]!;
    end += match;
  }
  return out.subarray(0, end);
}
