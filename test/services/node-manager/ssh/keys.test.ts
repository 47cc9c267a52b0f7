import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { formatSshKey, parseSshKey } from "#services/node-manager/ssh/keys.ts";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runToSuccess } from "#test/support/program.ts";

async function made(type: string, ...more: string[]): Promise<string> {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "key");
  await runToSuccess("ssh-keygen", [
    "-q",
    "-t",
    type,
    ...more,
    "-N",
    "",
    "-C",
    "a comment of mine",
    "-f",
    file,
  ]);
  return await readFile(`${file}.pub`, "utf8");
}

const { publicKey: ED25519 } = newSshKeyPair();

function blobOf(...fields: (string | Buffer)[]): string {
  const parts = fields.flatMap((field) => {
    const bytes = Buffer.from(field as string);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  return Buffer.concat(parts).toString("base64");
}

test("keys as ssh-keygen writes them are read to type and blob, without their comments", async () => {
  const kinds = [["ed25519"], ["rsa", "-b", "2048"], ["rsa", "-b", "4096"]];
  const curves = ["256", "384", "521"].map((bits) => ["ecdsa", "-b", bits]);
  for (const [type, ...more] of [...kinds, ...curves]) {
    const text = await made(type!, ...more);
    const [name, blob] = text.split(" ");
    assert.deepEqual(parseSshKey(text), { type: name, blob });
    assert.equal(formatSshKey(parseSshKey(text)), `${name} ${blob}`);
  }
});

test("a file's last newline is no second line", () => {
  assert.equal(formatSshKey(parseSshKey(`${ED25519}\n`)), ED25519);
  assert.equal(formatSshKey(parseSshKey(`${ED25519} me@home\r\n`)), ED25519);
});

test("options, several lines, NUL and anything else around a key are refused", () => {
  const around = [
    `command="/bin/sh" ${ED25519}`,
    `no-pty,from="10.0.0.1" ${ED25519}`,
    `cert-authority ${ED25519}`,
    `restrict ${ED25519}`,
    `${ED25519}\n${ED25519}`,
    `${ED25519}\n\n`,
    `\n${ED25519}`,
    `${ED25519} comment\nrestrict`,
    `${ED25519}\rmore`,
    `${ED25519} nul\0l`,
    `${ED25519}\0`,
    ` ${ED25519}`,
    `# ${ED25519}`,
    `${ED25519}\tcomment`,
    "",
    "ssh-ed25519",
    "ssh-ed25519 ",
  ];
  for (const text of around)
    assert.throws(() => parseSshKey(text), /^MALFORMED: MALFORMED/, JSON.stringify(text));
});

test("weak and unknown kinds of keys are refused", async () => {
  const short = await made("rsa", "-b", "1024");
  assert.throws(() => parseSshKey(short), /WEAK_KEY: RSA keys below 2048 bits/);
  for (const type of [
    "ssh-dss",
    "ssh-ed25519-cert-v01@openssh.com",
    "sk-ssh-ed25519@openssh.com",
    "ssh-rsa-cert-v01@openssh.com",
    "__proto__",
    "constructor",
  ]) {
    const inner = blobOf(type, Buffer.alloc(32));
    assert.throws(() => parseSshKey(`${type} ${inner}`), /WEAK_KEY|MALFORMED/, type);
  }
});

test("a blob that is not exactly a key of the type it is said to be is refused", () => {
  const point = Buffer.alloc(32, 7);
  const modulus = Buffer.concat([Buffer.from([0]), Buffer.alloc(256, 0xff)]);
  const wrong = [
    ["ssh-rsa", ED25519.split(" ")[1]!],
    ["ssh-ed25519", blobOf("ssh-rsa", Buffer.from([1, 0, 1]), modulus)],
    ["ssh-ed25519", blobOf("ssh-ed25519", Buffer.alloc(31))],
    ["ssh-ed25519", blobOf("ssh-ed25519", point, "more")],
    ["ssh-ed25519", blobOf("ssh-ed25519")],
    ["ssh-ed25519", `${blobOf("ssh-ed25519", point).slice(0, -4)}`],
    [
      "ssh-ed25519",
      Buffer.concat([Buffer.from(blobOf("ssh-ed25519", point), "base64"), Buffer.from([0])]).toString(
        "base64",
      ),
    ],
    ["ssh-ed25519", Buffer.from([0xff, 0xff, 0xff, 0xff]).toString("base64")],
    ["ssh-ed25519", `${blobOf("ssh-ed25519", point).slice(0, -1)}A=`],
    ["ssh-rsa", blobOf("ssh-rsa", Buffer.from([1, 0, 1]), Buffer.concat([Buffer.from([0]), modulus]))],
    ["ssh-rsa", blobOf("ssh-rsa", Buffer.from([1, 0, 1]), modulus.subarray(1))],
    ["ssh-rsa", blobOf("ssh-rsa", Buffer.from([1]), modulus)],
    ["ssh-rsa", blobOf("ssh-rsa", "", modulus)],
    ["ecdsa-sha2-nistp256", blobOf("ecdsa-sha2-nistp256", "nistp384", Buffer.alloc(65, 4))],
    ["ecdsa-sha2-nistp256", blobOf("ecdsa-sha2-nistp256", "nistp256", Buffer.alloc(65, 2))],
  ];
  for (const [type, blob] of wrong)
    assert.throws(() => parseSshKey(`${type} ${blob}`), /^MALFORMED/, `${type} ${blob}`);
});

test("a comment of a megabyte is refused and not read through", () => {
  assert.throws(() => parseSshKey(`${ED25519} ${"x".repeat(1_000_000)}`), /^TOO_LARGE/);
});

test("no text makes it fail in any other way, and what it takes it takes again", () => {
  const near = fc.tuple(
    fc.constantFrom("", "ssh-ed25519 ", `${ED25519} `),
    fc.string({ unit: "binary" }),
    fc.constantFrom("", ED25519),
  );
  fc.assert(
    fc.property(near, (parts) => {
      const text = parts.join("");
      let key: ReturnType<typeof parseSshKey>;
      try {
        key = parseSshKey(text);
      } catch (error) {
        assert.match((error as Error).message, /^(MALFORMED|WEAK_KEY|TOO_LARGE): /);
        return;
      }
      assert.deepEqual(parseSshKey(formatSshKey(key)), key);
      assert.match(formatSshKey(key), /^[!-~]+ [A-Za-z0-9+/=]+$/);
    }),
  );
});
