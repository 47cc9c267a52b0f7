import { generateKeyPairSync, randomBytes } from "node:crypto";

/** An Ed25519 key pair in OpenSSH's own formats: what `ssh -i`, sshd and known_hosts read. */
export type SshKeyPair = {
  /** The private key file's text (openssh-key-v1, no passphrase). Keep it in a file of mode 0600. */
  readonly privateKey: string;
  /** Type and base64 blob, without a comment. */
  readonly publicKey: string;
};

const TYPE = "ssh-ed25519";

/**
 * Makes an SSH key pair (formats: RFC 4253 §6.6, RFC 8709 and OpenSSH's PROTOCOL.key). Written here because ssh2's
 * own generator drops leading zero bytes: one pair in 256 of its making cannot be read by anything.
 */
export function newSshKeyPair(comment = ""): SshKeyPair {
  const { privateKey } = generateKeyPairSync("ed25519");
  const { d, x } = privateKey.export({ format: "jwk" });
  const [seed, point] = [Buffer.from(d!, "base64url"), Buffer.from(x!, "base64url")];
  const publicBlob = Buffer.concat([sshString(TYPE), sshString(point)]);
  const check = randomBytes(4);
  const secret = padded(
    Buffer.concat([check, check, publicBlob, sshString(Buffer.concat([seed, point])), sshString(comment)]),
  );
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    sshString("none"),
    sshString("none"),
    sshString(""),
    uint32(1),
    sshString(publicBlob),
    sshString(secret),
  ]);
  return { privateKey: armoured(file), publicKey: `${TYPE} ${publicBlob.toString("base64")}` };
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function sshString(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

/** Padding of 1, 2, 3 … up to a multiple of the cipher's block, 8 bytes where there is no cipher. */
function padded(bytes: Buffer): Buffer {
  const missing = (8 - (bytes.length % 8)) % 8;
  return Buffer.concat([bytes, Buffer.from(Array.from({ length: missing }, (_, i) => i + 1))]);
}

function armoured(bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,70}/g)!;
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join(
    "\n",
  );
}
