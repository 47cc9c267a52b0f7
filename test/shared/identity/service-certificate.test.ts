import assert from "node:assert/strict";
import { before, test } from "node:test";
import { certificateConcerns } from "#shared/identity/service-certificate.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { type TestAuthority, type TestIdentity, testAuthority } from "#test/support/authority.ts";

const NOW = new Date("2026-06-01T00:00:00Z");
const HERE = { address: "192.0.2.4", now: NOW };

let authority: TestAuthority;
let node: TestIdentity;

before(async () => {
  authority = await testAuthority();
  const validity = {
    notBefore: new Date("2026-01-01T00:00:00Z"),
    notAfter: new Date("2027-01-01T00:00:00Z"),
  };
  node = await authority.server("node4", ["192.0.2.4", "node4.example"], { validity });
});

test("a certificate for a server at its address raises no concern, nor does one served everywhere", () => {
  assert.deepEqual(certificateConcerns(node.tls, HERE), []);
  assert.deepEqual(certificateConcerns(node.tls, { ...HERE, address: "0.0.0.0" }), []);
});

test("a certificate's end is told a month before, and after it, with what to do", () => {
  const at = (now: string) => certificateConcerns(node.tls, { ...HERE, now: new Date(now) });
  assert.match(
    at("2026-12-22T00:00:00Z").join(),
    /^the certificate of node4 ends in 10 days: .*issue another/,
  );
  assert.match(
    at("2027-01-01T00:00:00Z").join(),
    /ended at 2027-01-01T00:00:00.000Z, and calls are refused: /,
  );
  assert.match(at("2025-12-31T00:00:00Z").join(), /begins at 2026.*clock right\?/);
});

test("an address that the certificate doesn't name is told, with those it does", () => {
  const [concern] = certificateConcerns(node.tls, { ...HERE, address: "192.0.2.5" });
  assert.match(concern ?? "", /names 192\.0\.2\.4, node4\.example, and calls are taken at 192\.0\.2\.5/);
});

test("a researcher's certificate, and one of another authority, are no service's", async () => {
  const alice = await authority.client("alice");
  assert.throws(
    () => certificateConcerns(alice.tls, HERE),
    (error: Error) => {
      assert.ok(error instanceof OperatorError);
      return /is for a client, .*--kind server/.test(error.message);
    },
  );
  const other = await testAuthority();
  assert.throws(() => certificateConcerns({ ...node.tls, ca: other.caPem }, HERE), /not of the authority/);
});
