import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import forge from "node-forge";
import { type Authority, initAuthority, openAuthority } from "#services/authority/authority.ts";
import { type AuthorityConfig, loadAuthorityConfig } from "#services/authority/config.ts";
import { type AuthorityDeps, type AuthorityService, startAuthority } from "#services/authority/service.ts";
import {
  type CertificateKind,
  certificateFacts,
  parseCertificate,
  validityFrom,
} from "#shared/identity/certificate.ts";
import { createCertificateRequest } from "#shared/identity/certificate-request.ts";
import { type Identity, identityFrom } from "#shared/identity/identity.ts";
import { publicKeyOf } from "#shared/identity/key.ts";
import { generateSigningKey } from "#shared/identity/key-file.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import { clientTlsOptions, strangerTlsOptions } from "#shared/identity/tls.ts";
import { createLog } from "#shared/runtime/log.ts";
import { authorityApi } from "#shared/wire/authority-api.ts";
import { openRevocations } from "#shared/wire/revocation-document.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { eventually } from "#test/support/deadline.ts";
import { type TemporaryDirectory, temporaryDirectory } from "#test/support/directory.ts";

type Client = XmlRpcClient<typeof authorityApi>;

const cleanup = new AsyncDisposableStack();
const GRANTED = ["192.0.2.0/24", "2001:db8::/32", "10.0.0.7", "*.example.org", "hub.example.com"];
let directory: TemporaryDirectory;
let authority: Authority;
let registrar: Identity;
let service: AuthorityService;
let asked: Client;
let key: SigningKey;
let csr: string;

before(async () => {
  directory = cleanup.use(await temporaryDirectory());
  authority = await initAuthority(directory.path, {
    name: "test authority",
    validity: validityFrom(new Date(), 3653),
  });
  registrar = await certified("agent", "server");
  service = await serving();
  asked = clientOf(registrar);
  key = await generateSigningKey({ type: "rsa" });
  csr = createCertificateRequest(key, "somebody else");
});

after(() => cleanup.disposeAsync());

async function certified(name: string, kind: CertificateKind): Promise<Identity> {
  const own = await generateSigningKey({ type: "rsa" });
  const { certPem } = await authority.issue(createCertificateRequest(own, name), {
    ...{ name, kind, addresses: kind === "server" ? ["127.0.0.1"] : [] },
    validity: validityFrom(new Date(), 30),
  });
  return identityFrom(own, certPem, authority.caPem);
}

async function serving(
  changes: Partial<AuthorityConfig> = {},
  deps: Partial<AuthorityDeps> = {},
): Promise<AuthorityService> {
  return cleanup.use(
    await startAuthority(
      {
        ...{
          directory: directory.path,
          addresses: ["127.0.0.1"],
          registrars: [{ key: registrar.name, addresses: GRANTED }],
        },
        ...{
          listen: { address: "127.0.0.1", tls_port: 0 },
          longest_days: 100,
          certificates_a_day: 6,
          list_days: 7,
        },
        ...changes,
      },
      { log: createLog("authority", { level: "silent" }), ...deps },
    ),
  );
}

function clientOf({ tls }: Identity, at = service): Client {
  const connections = cleanup.use(new Connections(clientTlsOptions(tls)));
  return xmlRpcClient(authorityApi, { url: at.announce.tls, connections });
}

function ask(days = 10, request_id?: string) {
  return asked.certify({
    ...{ csr, name: "node n1", kind: "server", addresses: ["192.0.2.4", "n1.example.org"], days },
    ...(request_id !== undefined && { request_id }),
  });
}

test("a registrar has a key certified on its own terms, and the register has it", async () => {
  const { certificate, serial } = await ask();
  const facts = certificateFacts(parseCertificate(certificate));
  assert.deepEqual(
    [facts.name, facts.kind, facts.addresses, facts.key.name],
    ["node n1", "server", ["192.0.2.4", "n1.example.org"], key.public.name],
  );
  assert.ok(parseCertificate(certificate).verify(parseCertificate(authority.caPem).publicKey));
  const record = (await authority.issued()).at(-1)!;
  assert.deepEqual([record.serial, record.by], [serial, registrar.name]);
});

test("the same call gets the same certificate, also from the next process, and counts once", async () => {
  const first = await ask(10, "enrolment 1");
  const before = (await authority.issued()).length;
  assert.deepEqual(await ask(10, "enrolment 1"), first);
  const next = clientOf(registrar, await serving());
  const again = { csr, name: "node n1", kind: "server", days: 10 } as const;
  const addresses = ["192.0.2.4", "n1.example.org"];
  assert.deepEqual(await next.certify({ ...again, addresses, request_id: "enrolment 1" }), first);
  assert.equal((await authority.issued()).length, before);
  await assert.rejects(ask(11, "enrolment 1"), { name: "MALFORMED" });
});

test("two calls of one id at once get one certificate", async () => {
  const [one, other] = await Promise.all([ask(10, "at once"), ask(10, "at once")]);
  assert.deepEqual(one, other);
  const answered = (await authority.issued()).filter((record) => record.answered?.requestId === "at once");
  assert.equal(answered.length, 1);
});

test("renewing keeps key, name, kind and addresses, and needs the valid certificate of that very key", async () => {
  const { certificate: current } = await ask();
  const renewed = certificateFacts(parseCertificate((await asked.renew({ csr, current })).certificate));
  const before = certificateFacts(parseCertificate(current));
  assert.deepEqual(
    [renewed.name, renewed.kind, renewed.addresses, renewed.key.name],
    [before.name, before.kind, before.addresses, before.key.name],
  );
  const other = createCertificateRequest(registrar.signingKey, "agent");
  await assert.rejects(asked.renew({ csr: other, current }), { name: "UNKNOWN_KEY" });
  await assert.rejects(asked.renew({ csr, current: authority.caPem }), { name: "FOREIGN_CERTIFICATE" });
});

test("nobody but a registrar gets anything, and nobody without a certificate", async () => {
  const before = (await authority.issued()).length;
  const person = await certified("eve", "client");
  const wanted = { csr, name: "eve", kind: "client" } as const;
  await assert.rejects(clientOf(person).certify(wanted), { name: "NO_PRIVILEGE" });
  const current = person.tls.cert;
  await assert.rejects(clientOf(person).renew({ csr, current }), { name: "NO_PRIVILEGE" });
  using connections = new Connections(strangerTlsOptions(authority.caPem));
  const stranger = xmlRpcClient(authorityApi, { url: service.announce.tls, connections });
  await assert.rejects(stranger.certify(wanted), { name: "NO_CERTIFICATE" });
  assert.deepEqual(await stranger.getauthority(), [authority.caPem]);
  const key = publicKeyOf(parseCertificate(authority.caPem).publicKey);
  const { revoked, at, nextUpdate } = openRevocations(
    (await stranger.getrevocations())!,
    key,
    "authority",
  ).list;
  assert.deepEqual(
    [revoked, nextUpdate! - at],
    [[], 7 * 86_400],
    "nobody is, and until when that can be believed",
  );
  assert.equal((await authority.issued()).length, before + 1); // eve's own
});

test("registrars and limits follow the configuration while it serves, as far as that can be used", async () => {
  const file = join(directory.path, "authority.toml");
  const certificate = join(directory.path, "newcomer.crt");
  const write = (registrars: string[], more = "") =>
    writeFile(
      file,
      `directory = "${directory.path}"\naddresses = ["127.0.0.1"]\nregistrars = ${JSON.stringify(registrars)}\n${more}`,
    );
  await write([registrar.name]);
  let reads = 0;
  const read = () => {
    reads += 1;
    return loadAuthorityConfig(file, {});
  };
  const followed = await serving({}, { following: { read, everyMs: 10 } });
  const newcomer = clientOf(await certified("newcomer", "server"), followed);
  const wanted = { csr, name: "n", kind: "client", days: 101 } as const;
  await assert.rejects(newcomer.certify(wanted), { name: "NO_PRIVILEGE" });

  const other = await certified("agent two", "server");
  await writeFile(certificate, other.tls.cert);
  await write([certificate], "longest_days = 100\n");
  const asOther = clientOf(other, followed);
  const answers = (client: Client, name: string) => () =>
    client.certify(wanted).then(
      () => false,
      (error) => error.name === name,
    );
  await eventually(answers(asOther, "QUOTA"), { what: "the new registrar being one" });
  await assert.rejects(clientOf(registrar, followed).certify(wanted), { name: "NO_PRIVILEGE" });

  await write([certificate, "/nowhere.crt"], "longest_days = 3\n");
  await writeFile(certificate, registrar.tls.cert);
  const seen = reads + 2; // the first of these looks may have begun before that was written
  await eventually(() => reads > seen);
  await assert.rejects(asOther.certify(wanted), { name: "QUOTA" }, "what was there before still counts");
  await write([certificate], "longest_days = 100\n");
  await eventually(answers(clientOf(registrar, followed), "QUOTA"), {
    what: "the certificate of another key",
  });
});

test("a registrar has addresses certified that the operator listed for it, and no others", async () => {
  const none = clientOf(registrar, await serving({ registrars: [registrar.name], certificates_a_day: 0 }));
  const all = clientOf(registrar, await serving({ certificates_a_day: 0 }));
  const certify = (at: Client, ...addresses: string[]) =>
    at.certify({ csr, name: "n", kind: "server", addresses });
  const last = { name: "QUOTA" }; // what is checked after that, so that none is issued
  for (const address of ["192.0.2.255", "2001:db8::7", "10.0.0.7", "a.b.example.org", "hub.example.com"]) {
    await assert.rejects(certify(all, address), last, address);
    await assert.rejects(certify(none, address), {
      name: "NO_PRIVILEGE",
      message: /certifies no address for the registrar/,
    });
  }
  const foreign = [
    "192.0.3.1",
    "10.0.0.8",
    "2001:db9::1",
    "example.org",
    "evilexample.org",
    "a.hub.example.com",
  ];
  for (const address of [...foreign, "*.example.com", "192.0.2.1.evil.com", "::ffff:10.0.0.8"])
    await assert.rejects(certify(all, "192.0.2.4", address), {
      name: "NO_PRIVILEGE",
      message: /192\.0\.2\.0\/24, .* for the registrar [0-9a-f]{12}, and not \S+; have its operator/,
    });
  const versions = [{ key: registrar.name, addresses: ["::/0", "10.0.0.0/8"] }];
  const each = clientOf(registrar, await serving({ registrars: versions, certificates_a_day: 0 }));
  for (const address of ["192.0.2.4", "::ffff:a00:7"])
    await assert.rejects(
      certify(each, address),
      address.includes(":") ? last : { name: "NO_PRIVILEGE" },
      `${address}: an IPv6 network has no IPv4 addresses`,
    );
  await assert.rejects(certify(all, "::ffff:a00:7"), { name: "NO_PRIVILEGE" });
  await assert.rejects(none.certify({ csr, name: "n", kind: "client" }), last, "people need no address");
});

test("weak keys, bad names, bad addresses and certificates that last too long are refused", async () => {
  await assert.rejects(asked.certify({ csr: weakRequest(), name: "n", kind: "client" }), {
    name: "WEAK_KEY",
  });
  await assert.rejects(asked.certify({ csr, name: "a\nb", kind: "client" }), { name: "BAD_NAME" });
  await assert.rejects(asked.certify({ csr, name: "n", kind: "server", addresses: ["*.example.org"] }), {
    name: "BAD_NAME",
  });
  await assert.rejects(asked.certify({ csr, name: "n", kind: "client", days: 101 }), { name: "QUOTA" });
  await assert.rejects(asked.certify({ csr: "nonsense", name: "n", kind: "client" }), { name: "MALFORMED" });
});

test("a stolen registrar certifies no world: so many a day, and none once it is revoked", async () => {
  const used = (await authority.issued()).filter(({ by }) => by === registrar.name).length;
  for (let had = used; had < 6; had++) await ask();
  await assert.rejects(ask(), { name: "QUOTA" });
  await assert.rejects(clientOf(registrar, await serving({ registrars: [] })).renew({ csr, current: "" }), {
    name: "NO_PRIVILEGE",
  });
  await (await openAuthority(directory.path)).revoke(registrar.name, new Date());
  await assert.rejects(ask(10, "enrolment 1"), { name: "CERTIFICATE_REVOKED" });
});

test("its own certificate is made anew when it is called by another address", async () => {
  const before = certificateFacts(parseCertificate(await own()));
  await serving();
  assert.equal(certificateFacts(parseCertificate(await own())).serial, before.serial);
  const elsewhere = await serving({
    addresses: ["localhost"],
    listen: { address: "127.0.0.1", tls_port: 0 },
  });
  assert.deepEqual(certificateFacts(parseCertificate(await own())).addresses, ["localhost"]);
  using connections = new Connections(strangerTlsOptions(authority.caPem));
  const wrong = xmlRpcClient(authorityApi, { url: elsewhere.announce.tls, connections });
  await assert.rejects(wrong.getauthority(), TransportError);
});

/** A request that no program of ours would make: for a key of 1024 bits. */
function weakRequest(): string {
  const { publicKey, privateKey } = forge.pki.rsa.generateKeyPair(1024);
  const request = forge.pki.createCertificationRequest();
  request.publicKey = publicKey;
  request.setSubject([{ name: "commonName", value: "weak" }]);
  request.sign(privateKey, forge.md.sha256.create());
  return forge.pki.certificationRequestToPem(request);
}

async function own(): Promise<string> {
  return await readFile(join(directory.path, "service.crt"), "utf8");
}
