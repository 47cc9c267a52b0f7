import { refuseUnless } from "#shared/model/errors.ts";
import type { SshKey } from "./gateway.ts";

const MAX_KEY_CHARACTERS = 16 * 1024;
const LINE = /^([a-z0-9@.-]+) +([A-Za-z0-9+/=]+)( [^\r\n\0]*)?\r?\n?$/;
const LEAST_RSA_BITS = 2048;
const MOST_RSA_BITS = 16_384;
const UNCOMPRESSED = 4;

/** The key types that may enter a sliver, and what the rest of a blob of that type must be (RFC 4253 §6.6). */
const TYPES: Readonly<Record<string, (fields: readonly Buffer[]) => boolean>> = {
  "ssh-ed25519": ([point, ...rest]) => point?.length === 32 && rest.length === 0, // RFC 8709 §4
  "ssh-rsa": ([exponent, modulus, ...rest]) => rest.length === 0 && isRsa(exponent, modulus),
  "ecdsa-sha2-nistp256": (fields) => isPoint(fields, "nistp256", 32), // RFC 5656 §3.1
  "ecdsa-sha2-nistp384": (fields) => isPoint(fields, "nistp384", 48),
  "ecdsa-sha2-nistp521": (fields) => isPoint(fields, "nistp521", 66),
};

/**
 * Reads one SSH public key as `authorized_keys` writes it and keeps type and blob alone: a comment is dropped, one
 * newline at the end is what a file ends with. MALFORMED for anything before the type (options, cert-authority), more
 * lines, NUL, or a blob that is not exactly a key of its type; WEAK_KEY for DSA, RSA below 2048 bits, certificates and
 * types unknown here.
 */
export function parseSshKey(text: string): SshKey {
  refuseUnless(
    text.length <= MAX_KEY_CHARACTERS,
    "TOO_LARGE",
    "an SSH key line has at most 16,384 characters",
  );
  const [, type, blob] = LINE.exec(text) ?? [];
  refuseUnless(
    type !== undefined && blob !== undefined,
    "MALFORMED",
    "an SSH key is one line: type, base64 and an optional comment, without options",
  );
  const check = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  refuseUnless(
    check,
    "WEAK_KEY",
    `SSH keys of type "${type.slice(0, 40)}" may not enter slivers; use ssh-ed25519, ssh-rsa or ecdsa-sha2-nistp256`,
  );
  const [inner, ...fields] = fieldsOf(blob);
  refuseUnless(
    inner?.toString("latin1") === type,
    "MALFORMED",
    "the SSH key's base64 holds a key of another type than it says",
  );
  refuseUnless(check(fields), "MALFORMED", `the SSH key's base64 is not a key of type ${type}`);
  refuseUnless(
    type !== "ssh-rsa" || bitsOf(fields[1]!) >= LEAST_RSA_BITS,
    "WEAK_KEY",
    `RSA keys below ${LEAST_RSA_BITS} bits are refused; make a longer one, or an ssh-ed25519 key`,
  );
  return { type, blob };
}

/** A key as `authorized_keys` writes it, without a comment. */
export function formatSshKey(key: SshKey): string {
  return `${key.type} ${key.blob}`;
}

/** The length-prefixed fields of a blob, which must fill it exactly. */
function fieldsOf(blob: string): Buffer[] {
  const bytes = Buffer.from(blob, "base64");
  refuseUnless(bytes.toString("base64") === blob, "MALFORMED", "the SSH key's base64 is not canonical");
  const fields: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    refuseUnless(at + 4 <= bytes.length, "MALFORMED", "the SSH key's base64 is cut short");
    const end = at + 4 + bytes.readUInt32BE(at);
    refuseUnless(end <= bytes.length, "MALFORMED", "the SSH key's base64 is cut short");
    fields.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

function isRsa(exponent: Buffer | undefined, modulus: Buffer | undefined): boolean {
  if (!(isPositive(exponent) && isPositive(modulus))) return false;
  const odd = (number: Buffer) => (number.at(-1)! & 1) === 1;
  return odd(exponent) && bitsOf(exponent) >= 2 && odd(modulus) && bitsOf(modulus) <= MOST_RSA_BITS;
}

/** Whether this is a positive number in the one form RFC 4251 §5 gives it. */
function isPositive(number: Buffer | undefined): number is Buffer {
  if (!number || number.length === 0 || (number[0]! & 0x80) !== 0) return false;
  return number[0] !== 0 || (number.length > 1 && (number[1]! & 0x80) !== 0);
}

function bitsOf(number: Buffer): number {
  const digits = number.toString("hex").replace(/^0+/, "");
  return digits === "" ? 0 : (digits.length - 1) * 4 + (32 - Math.clz32(Number.parseInt(digits[0]!, 16)));
}

function isPoint([curve, point, ...rest]: readonly Buffer[], name: string, bytes: number): boolean {
  const uncompressed = point?.length === 1 + 2 * bytes && point[0] === UNCOMPRESSED;
  return curve?.toString("latin1") === name && uncompressed && rest.length === 0;
}
