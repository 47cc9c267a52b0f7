import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import ssh2 from "ssh2";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";

test("OpenSSH reads the private key and derives the same public key from it", () => {
  const directory = mkdtempSync(join(tmpdir(), "slicelab-key-"));
  try {
    const pair = newSshKeyPair("slice oceanstore");
    writeFileSync(join(directory, "identity"), pair.privateKey, { mode: 0o600 });
    const derived = execFileSync("ssh-keygen", ["-y", "-f", join(directory, "identity")])
      .toString()
      .trim();
    assert.equal(derived, `${pair.publicKey} slice oceanstore`);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("every pair of a thousand can be read back, leading zero bytes and all", () => {
  for (let i = 0; i < 1000; i += 1) {
    const pair = newSshKeyPair();
    const parsed = ssh2.utils.parseKey(pair.privateKey);
    assert.ok(!(parsed instanceof Error), String(parsed));
    const key = Array.isArray(parsed) ? parsed[0]! : parsed;
    assert.equal(`ssh-ed25519 ${key.getPublicSSH().toString("base64")}`, pair.publicKey);
  }
});
