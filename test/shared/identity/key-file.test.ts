import assert from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createKeyFile, generateSigningKey, type KeyKind, loadKeyFile } from "#shared/identity/key-file.ts";
import { signBytes, verifyBytes } from "#shared/identity/signature.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runToSuccess } from "#test/support/program.ts";

const KINDS: Record<string, KeyKind> = {
  "an RSA": { type: "rsa" },
  "an RSA-3072": { type: "rsa", bits: 3072 },
  "an Ed25519": { type: "ed25519" },
};

for (const [what, kind] of Object.entries(KINDS)) {
  test(`${what} key made in a file is the key loaded from it, and its owner's alone`, async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "a.key");
    const made = await createKeyFile(path, kind);
    const loaded = await loadKeyFile(path);
    const message = Buffer.from("message");
    assert.equal(loaded.public.name, made.public.name);
    assert.ok(verifyBytes(made.public, message, signBytes(loaded, message)));
    assert.equal((await stat(path)).mode & 0o7777, 0o600);
    assert.deepEqual(await readdir(directory.path), ["a.key"], "nothing else is left behind");
  });

  test(`openssl reads ${what} key's file`, async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "a.key");
    const { public: key } = await createKeyFile(path, kind);
    const seen = await runToSuccess("openssl", ["pkey", "-in", path, "-pubout"]);
    assert.equal(seen, key.object.export({ format: "pem", type: "spki" }));
  });
}

test("a key is its owner's alone under any umask", async () => {
  await using directory = await temporaryDirectory();
  const before = process.umask(0o000);
  try {
    await createKeyFile(join(directory.path, "open.key"), { type: "ed25519" });
    process.umask(0o277);
    await createKeyFile(join(directory.path, "closed.key"), { type: "ed25519" });
  } finally {
    process.umask(before);
  }
  for (const name of ["open.key", "closed.key"]) {
    assert.equal((await stat(join(directory.path, name))).mode & 0o7777, 0o600);
  }
});

test("an existing key is never overwritten, even by two at once", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a.key");
  const attempts = await Promise.allSettled([1, 2, 3, 4].map(() => createKeyFile(path, { type: "ed25519" })));
  const won = attempts.filter((attempt) => attempt.status === "fulfilled");
  assert.equal(won.length, 1);
  assert.equal((await loadKeyFile(path)).public.name, won[0]!.value.public.name);
  await assert.rejects(createKeyFile(path, { type: "ed25519" }), OperatorError);
  assert.deepEqual(await readdir(directory.path), ["a.key"]);
});

for (const mode of [0o640, 0o604, 0o660, 0o620, 0o611]) {
  test(`a key with mode ${mode.toString(8)} is refused, with the command that mends it`, async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "a.key");
    await createKeyFile(path, { type: "ed25519" });
    await chmod(path, mode);
    await assert.rejects(loadKeyFile(path), { name: "OperatorError", message: /chmod 600 '.*a\.key'/ });
    await chmod(path, 0o600);
    await loadKeyFile(path);
  });
}

test("a key's owner may keep it read-only", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a.key");
  await createKeyFile(path, { type: "ed25519" });
  await chmod(path, 0o400);
  await loadKeyFile(path);
});

test("a symbolic link is refused, even to a good key", async () => {
  await using directory = await temporaryDirectory();
  await createKeyFile(join(directory.path, "a.key"), { type: "ed25519" });
  await symlink("a.key", join(directory.path, "b.key"));
  await assert.rejects(loadKeyFile(join(directory.path, "b.key")), {
    name: "OperatorError",
    message: /symbolic link/,
  });
});

test("what is not a private key is refused with a sentence", async () => {
  await using directory = await temporaryDirectory();
  const path = (name: string) => join(directory.path, name);
  await writeFile(path("text"), "hello", { mode: 0o600 });
  await mkdir(path("directory"), { mode: 0o700 });
  await runToSuccess("mkfifo", ["-m", "600", path("pipe")]);
  for (const name of ["text", "directory", "pipe", "missing"]) {
    await assert.rejects(loadKeyFile(path(name)), OperatorError, name);
  }
});

test("an encrypted key is refused rather than asked a passphrase for", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a.key");
  const { private: key } = await generateSigningKey({ type: "ed25519" });
  const pem = key.export({ format: "pem", type: "pkcs8", cipher: "aes-128-cbc", passphrase: "secret" });
  await writeFile(path, pem, { mode: 0o600 });
  await assert.rejects(loadKeyFile(path), OperatorError);
});

test("a weak key is refused when it is made and when it is loaded", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a.key");
  const weak = (error: unknown) => error instanceof Fault && error.name === "WEAK_KEY";
  await assert.rejects(createKeyFile(path, { type: "rsa", bits: 1024 }), weak);
  await assert.rejects(stat(path), { code: "ENOENT" });
  await runToSuccess("openssl", ["genrsa", "-out", path, "1024"]);
  await chmod(path, 0o600);
  await assert.rejects(loadKeyFile(path), weak);
});

test("the file is a PKCS#8 one", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a.key");
  await createKeyFile(path, { type: "rsa" });
  assert.match(await readFile(path, "utf8"), /^-----BEGIN PRIVATE KEY-----\n/);
});
