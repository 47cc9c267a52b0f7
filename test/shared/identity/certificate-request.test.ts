import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import fc from "fast-check";
import { createCertificateRequest, publicKeyFromRequest } from "#shared/identity/certificate-request.ts";
import { generateSigningKey, privateKeyPem } from "#shared/identity/key-file.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import { Fault, type FaultName } from "#shared/model/errors.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runToSuccess } from "#test/support/program.ts";

let key: SigningKey;
let request: string;

before(async () => {
  key = await generateSigningKey({ type: "rsa" });
  request = createCertificateRequest(key, "alice");
});

function refusal(pem: string): FaultName {
  try {
    publicKeyFromRequest(pem);
  } catch (error) {
    if (error instanceof Fault) return error.name;
    throw error;
  }
  assert.fail("the request was accepted");
}

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64");
}

function pemOf(der: Buffer, label = "CERTIFICATE REQUEST"): string {
  return `-----BEGIN ${label}-----\n${der.toString("base64")}\n-----END ${label}-----\n`;
}

/** A request made by OpenSSL, outside software, with the options given. */
async function byOpenssl(...options: string[]): Promise<string> {
  return await runToSuccess("openssl", [
    "req",
    "-new",
    "-nodes",
    "-subj",
    "/CN=x",
    "-keyout",
    "/dev/null",
    ...options,
  ]);
}

test("a request carries its key", () => {
  assert.equal(publicKeyFromRequest(request).name, key.public.name);
});

test("openssl takes our request, and sees the name in it", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "alice.csr");
  await writeFile(path, request);
  const text = await runToSuccess("openssl", ["req", "-in", path, "-verify", "-noout", "-subject"]);
  assert.match(text, /CN = alice/);
});

for (const bits of [2048, 4096]) {
  test(`a request for an RSA-${bits} key made by openssl is taken`, async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "a.key");
    await writeFile(path, privateKeyPem(await generateSigningKey({ type: "rsa", bits })));
    const pem = await runToSuccess("openssl", ["req", "-new", "-key", path, "-subj", "/CN=x"]);
    const spki = await runToSuccess("openssl", ["pkey", "-in", path, "-pubout"]);
    assert.equal(publicKeyFromRequest(pem).object.export({ format: "pem", type: "spki" }), spki);
  });
}

test("a request in the older PEM wording, with CRLF, is taken", async () => {
  const pem = await byOpenssl("-newkey", "rsa:2048", "-newhdr");
  assert.match(pem, /NEW CERTIFICATE REQUEST/);
  publicKeyFromRequest(pem.replaceAll("\n", "\r\n"));
});

test("a key outside RSA 2048 to 4096 is refused as weak", async () => {
  assert.equal(refusal(await byOpenssl("-newkey", "rsa:1024")), "WEAK_KEY");
  assert.equal(
    refusal(await byOpenssl("-newkey", "rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:3")),
    "WEAK_KEY",
  );
  assert.equal(refusal(await byOpenssl("-newkey", "ed25519")), "WEAK_KEY");
  assert.equal(refusal(await byOpenssl("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")), "WEAK_KEY");
});

test("a request signed with SHA-1, or with another padding, is refused", async () => {
  assert.equal(refusal(await byOpenssl("-newkey", "rsa:2048", "-sha1")), "ALGORITHM_FORBIDDEN");
  const pss = await byOpenssl("-newkey", "rsa:2048", "-sigopt", "rsa_padding_mode:pss");
  assert.ok(["ALGORITHM_FORBIDDEN", "MALFORMED"].includes(refusal(pss)));
});

test("a request that names somebody else's key is refused: its signature is not that key's", async () => {
  const own = derOf(createCertificateRequest(await generateSigningKey({ type: "rsa" }), "alice"));
  const ownSignature = own.subarray(own.length - 256);
  const theirs = derOf(request);
  assert.equal(
    refusal(pemOf(Buffer.concat([theirs.subarray(0, theirs.length - 256), ownSignature]))),
    "BAD_SIGNATURE",
  );
});

test("whatever byte of a request is altered, it is refused", () => {
  const der = derOf(request);
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (position, change) => {
      const altered = Buffer.from(der);
      altered[position]! ^= change;
      refusal(pemOf(altered));
    }),
    { numRuns: 2000 },
  );
});

test("bytes appended, cut off or merely invented are refused", () => {
  const der = derOf(request);
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(bytes, fc.nat(der.length - 1), (junk, cut) => {
      refusal(pemOf(Buffer.concat([der, junk])));
      refusal(pemOf(der.subarray(0, cut)));
      refusal(pemOf(junk));
    }),
  );
});

test("what is not one certificate request in PEM is malformed", async () => {
  const certificate = await runToSuccess("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=x"],
  ]);
  const nested = Buffer.concat([Buffer.alloc(6000, Buffer.from([0x30, 0x80])), Buffer.alloc(12)]);
  const cases = {
    empty: "",
    text: "hello",
    "a certificate": certificate,
    "a certificate under a request's label": pemOf(derOf(certificate)),
    "a request under another label": pemOf(derOf(request), "CERTIFICATE"),
    "two requests": request + request,
    "a request after a private key": privateKeyPem(key) + request,
    "far too long": pemOf(Buffer.alloc(1_000_000)),
    "deeply nested": pemOf(nested),
    "a header inside": request.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n"),
  };
  for (const [what, pem] of Object.entries(cases)) assert.equal(refusal(pem), "MALFORMED", what);
});

test("a name that can't stand in a certificate is refused before it is signed", () => {
  assert.throws(() => createCertificateRequest(key, "alice\nCN=admin"), { name: "BAD_NAME" });
});

test("an encoding that is not DER is refused, though its signature would hold", () => {
  const der = derOf(request);
  // the outermost length in one byte more than it needs: 30 82 xx xx → 30 83 00 xx xx
  const padded = Buffer.concat([Buffer.from([0x30, 0x83, 0x00]), der.subarray(2)]);
  assert.equal(refusal(pemOf(padded)), "MALFORMED");
});
