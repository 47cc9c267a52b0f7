import assert from "node:assert/strict";
import { chmod, rm, writeFile } from "node:fs/promises";
import { before, test } from "node:test";
import { loadIdentity } from "#shared/identity/identity.ts";
import { OperatorError } from "#shared/model/errors.ts";
import {
  type TestAuthority,
  type TestIdentity,
  testAuthority,
  writeIdentity,
} from "#test/support/authority.ts";
import { temporaryDirectory } from "#test/support/directory.ts";

let authority: TestAuthority;
let alice: TestIdentity;

before(async () => {
  authority = await testAuthority();
  alice = await authority.client("alice");
});

test("an identity is loaded from its three files", async () => {
  await using directory = await temporaryDirectory();
  const loaded = await loadIdentity(await writeIdentity(directory.path, "alice", alice.tls));
  assert.equal(loaded.name, alice.name);
  assert.equal(loaded.signingKey.public.name, alice.name);
  assert.deepEqual(loaded.tls, alice.tls);
});

test("a certificate of another key is refused, even if the name in it is the same", async () => {
  await using directory = await temporaryDirectory();
  const namesake = await authority.client("alice");
  const files = await writeIdentity(directory.path, "alice", { ...alice.tls, cert: namesake.certPem });
  await assert.rejects(loadIdentity(files), OperatorError);
});

test("an identity with a file that is missing, open to others or something else is refused", async () => {
  const damages = [
    (files: { key: string }) => chmod(files.key, 0o644),
    (files: { key: string }) => rm(files.key),
    (files: { cert: string }) => rm(files.cert),
    (files: { ca: string }) => rm(files.ca),
    (files: { cert: string }) => writeFile(files.cert, "hello"),
    (files: { ca: string }) => writeFile(files.ca, alice.keyPem),
  ];
  for (const damage of damages) {
    await using directory = await temporaryDirectory();
    const files = await writeIdentity(directory.path, "alice", alice.tls);
    await damage(files);
    await assert.rejects(loadIdentity(files), OperatorError);
  }
});
