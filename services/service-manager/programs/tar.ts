/** One regular file of an archive. */
export type TarFile = { readonly path: string; readonly mode: number; readonly contents: Buffer };

const BLOCK = 512;
const LONGEST_NAME = 100;
const REGULAR = "0";
/** GNU's way to a longer name: an entry before the file's, whose contents are the name. busybox reads it too. */
const LONG_NAME = "L";

/**
 * An archive as GNU's and busybox's tar extract it (POSIX ustar). `modified`: seconds since 1970, of every file; the
 * owner is whoever extracts.
 */
export function tarOf(files: readonly TarFile[], modified: number): Buffer {
  const parts = files.flatMap(({ path, mode, contents }) => {
    const name = Buffer.from(path);
    const long = name.length > LONGEST_NAME;
    const longName = Buffer.concat([name, Buffer.alloc(1)]);
    return [
      ...(long ? [header("././@LongLink", LONG_NAME, longName.length, 0o644, 0), padded(longName)] : []),
      header(name.subarray(0, LONGEST_NAME), REGULAR, contents.length, mode, modified),
      padded(contents),
    ];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function header(name: string | Buffer, type: string, size: number, mode: number, modified: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  Buffer.from(name as string).copy(block, 0);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108); // user
  block.write(octal(0, 7), 116); // group
  block.write(octal(size, 11), 124);
  block.write(octal(modified, 11), 136);
  block.write("        ", 148); // the checksum counts itself as spaces
  block.write(type, 156);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

function padded(contents: Buffer): Buffer {
  return Buffer.concat([contents, Buffer.alloc((BLOCK - (contents.length % BLOCK)) % BLOCK)]);
}
