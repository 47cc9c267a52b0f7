import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openAuthority } from "#services/authority/authority.ts";
import { certificateFacts, parseCertificate, validityFrom } from "#shared/identity/certificate.ts";
import { createCertificateRequest } from "#shared/identity/certificate-request.ts";
import { identityFrom } from "#shared/identity/identity.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { certificateApi } from "#shared/wire/certificate-api.ts";
import { newInvitationSecret, proveEnrolment, secretHash } from "#shared/wire/invitation.ts";
import type { Membership } from "#shared/wire/joining.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { DAY } from "../../../support/documents.ts";
import { audited, refusal } from "../agent-lab.ts";
import { type EnrolmentLab, enrolmentLab, newKey } from "./enrolment-lab.ts";

describe("enrolment", () => {
  let here: EnrolmentLab;

  before(async () => {
    here = await enrolmentLab({ config: { enrolment: { strangers: 3, request_days: 14 } } });
  });

  after(() => here[Symbol.asyncDispose]());

  function client(key: SigningKey, { certificate, authorities }: Membership) {
    const identity = identityFrom(key, certificate, authorities);
    return here.lab.client({ ...identity, keyPem: "", certPem: certificate, caPem: authorities });
  }

  async function principals(): Promise<string[]> {
    const rows = await here.lab.database.rows<{ label: string; role: string; site: string | null }>(
      "select label, role, site from principals order by added, label",
    );
    return rows.map(({ label, role, site }) => `${label} ${role} ${site ?? "-"}`);
  }

  test("who brings an invitation that approves by itself is certified and known at once, once", async () => {
    await here.lab.registry.addSite("berlin");
    const invitation = await here.invite({
      ...{ kind: "person", role: "pi", name: "eve", site: "berlin", approves: true },
    });
    const key = await newKey();
    const member = await here.join({ key, invitation, name: "somebody-else" });
    const { name, kind } = certificateFacts(parseCertificate(member.certificate));
    assert.deepEqual([name, kind], ["eve", "client"]);
    assert.deepEqual(member.agent, {
      url: here.lab.agent.announce.tls,
      identity: here.lab.agent.announce.agent,
    });
    assert.equal((await client(key, member).getconfig()).version.length > 0, true);
    assert.ok((await principals()).includes("eve pi berlin"));
    const acts = (await audited(here.lab)).map((entry) => entry.replace(key.public.name, "the newcomer"));
    for (const act of ["admin add invitation ok", "eve enrol ok", "operator approve enrolment ok"])
      assert.ok(acts.includes(act), `${act} in ${acts}`);
    const { secret } = invitation;
    const texts = await here.lab.database.rows("select i::text, a::text from invitations i, audit a");
    assert.ok(!JSON.stringify(texts).includes(secret), "the secret is nowhere");
    assert.deepEqual(await here.join({ key, invitation }), member, "asking again is asking once");
    const other = await newKey();
    await assert.rejects(here.join({ key: other, invitation }), refusal("ALREADY_REDEEMED"));
  });

  test("of many who bring one invitation at the same moment one gets in", async () => {
    const invitation = await here.invite({ kind: "person", approves: true });
    const keys = await Promise.all(Array.from({ length: 4 }, newKey));
    const outcomes = await Promise.allSettled(
      keys.map((key, at) => here.join({ key, invitation, name: `one-of-many-${at}` })),
    );
    assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
    assert.equal((await principals()).filter((one) => one.startsWith("one-of-many")).length, 1);
  });

  test("guessed, expired and withdrawn invitations are refused, and nothing is written", async () => {
    const { database, clock } = here.lab;
    const key = await newKey();
    const expired = await here.invite({ kind: "person", approves: true, valid_seconds: 60 });
    const withdrawn = await here.invite({ kind: "person", approves: true });
    await here.admin.withdrawinvitation({ id: withdrawn.id });
    clock.advance(60);
    const guessed = { ...expired, secret: "0".repeat(32) };
    const before = await database.rows("select count(*) from enrolments");
    await assert.rejects(here.join({ key, invitation: guessed, name: "g" }), refusal("NO_PRIVILEGE"));
    await assert.rejects(here.join({ key, invitation: expired, name: "g" }), refusal("EXPIRED"));
    await assert.rejects(here.join({ key, invitation: withdrawn, name: "g" }), refusal("REVOKED"));
    assert.deepEqual(await database.rows("select count(*) from enrolments"), before);
    const states = (await here.admin.listinvitations({})).map(({ id, state }) => [id, state]);
    assert.ok(states.some(([id, state]) => id === expired.id && state === "expired"));
    assert.ok(states.some(([id, state]) => id === withdrawn.id && state === "withdrawn"));
  });

  test("a stranger waits until an administrator approves, and only its own key fetches the certificate", async () => {
    const { id: _, secret: __, ...open } = await here.invite({ kind: "person" });
    const key = await newKey();
    const waiting = Promise.withResolvers<string>();
    const joined = here.join(
      { key, invitation: open, name: "mallory", note: "it is me" },
      {
        onWaiting: waiting.resolve,
      },
    );
    const id = await waiting.promise;
    const [request] = await here.admin.listenrolments({ state: "waiting" });
    assert.deepEqual(
      [request?.id, request?.key, request?.name, request?.note, request?.from],
      [id, key.public.name, "mallory", "it is me", "127.0.0.1"],
    );
    await assert.rejects(here.admin.approveenrolment({ id }), /role/);
    const wanted = { id, role: "researcher", name: "eva", request_id: "approve eva" } as const;
    assert.equal(await here.admin.approveenrolment(wanted), key.public.name);
    assert.equal(
      await here.admin.approveenrolment(wanted),
      key.public.name,
      "the same call, the same answer",
    );
    await assert.rejects(here.admin.approveenrolment({ id, role: "pi" }), /approved already/);
    assert.equal(certificateFacts(parseCertificate((await joined).certificate)).name, "eva");

    const thief = await newKey();
    const agent = here.lab.agent.announce.agent;
    for (const proof of [
      proveEnrolment(thief, id, agent),
      proveEnrolment(key, id, key.public.name),
      proveEnrolment(key, "0".repeat(32), agent),
    ])
      await assert.rejects(here.stranger.getenrolment({ id, proof }), refusal("NOT_PRINCIPAL"));
  });

  test("who is refused is told why, and comes in with an invitation later", async () => {
    const key = await newKey();
    const { secret: _, ...open } = await here.invite({ kind: "person" });
    const refused = here.join(
      { key, invitation: open, name: "ivan" },
      {
        onWaiting: (id) => void here.admin.refuseenrolment({ id, reason: "who are you?" }),
      },
    );
    await assert.rejects(refused, refusal("NO_PRIVILEGE", /who are you\?/));
    await assert.rejects(here.join({ key, invitation: open }), refusal("NO_PRIVILEGE", /who are you\?/));
    const invitation = await here.invite({ kind: "person", name: "ivan", approves: true });
    assert.ok(await here.join({ key, invitation }));
  });

  test("keys that are known, weak keys, hostile names and other kinds are refused", async () => {
    const invitation = (await here.invite({ kind: "person", uses: 50, approves: true })).secret;
    const { alice } = here.lab;
    const known = createCertificateRequest(alice.signingKey, "alice");
    await assert.rejects(here.stranger.enrol({ csr: known, invitation }), refusal("MALFORMED", /registered/));
    const key = await newKey();
    const csr = createCertificateRequest(key, "x");
    for (const name of ["../../etc", "a\u202eb", "<b>", "A", "-a", "a b", "'; drop table"])
      await assert.rejects(here.stranger.enrol({ csr, invitation, name }), refusal("BAD_NAME"), name);
    const note = "\u001b[2Jhello";
    await assert.rejects(here.stranger.enrol({ csr, invitation, note }), refusal("MALFORMED"));
    await assert.rejects(here.stranger.enrol({ csr, invitation, kind: "node" }), refusal("WRONG_TYPE"));
    await assert.rejects(here.stranger.enrol({ csr: "nonsense", invitation }), refusal("MALFORMED"));
    const altered = csr.replace(/[A-Z](?=[a-z]{2})/, (letter) => (letter === "A" ? "B" : "A"));
    await assert.rejects(here.stranger.enrol({ csr: altered, invitation }));
    await assert.rejects(here.stranger.enrol({ csr, invitation, name: "alice" }).then(taken), /taken/);
    const [used] = (await here.admin.listinvitations({})).filter(({ uses }) => uses === 50);
    assert.equal(used?.used, 1);
  });

  /** A name that is taken keeps a self-approving invitation from approving: an administrator gives another. */
  async function taken({ id, state }: { id: string; state: string }): Promise<never> {
    assert.equal(state, "waiting");
    await here.admin.approveenrolment({ id, name: "alice2" });
    throw new Error("taken");
  }

  test("a certificate is renewed once, however many requests for it are made", async () => {
    const validity = validityFrom(new Date(Date.now() - 30 * DAY * 1000), 40);
    const ending = await here.lab.authority.client("ending", { validity });
    const connections = new Connections(clientTlsOptions(ending.tls));
    const url = here.lab.agent.announce.tls;
    const { renewcertificate } = xmlRpcClient(certificateApi, { url, connections });
    const csr = createCertificateRequest(ending.signingKey, "ending");
    const before = await certificates();
    const first = await renewcertificate({ csr });
    for (const name of ["another", "and-another"])
      await assert.rejects(
        renewcertificate({ csr: createCertificateRequest(ending.signingKey, name) }),
        refusal("MALFORMED"),
      );
    assert.deepEqual(await renewcertificate({ csr }), first, "who missed the answer gets it");
    assert.equal(await certificates(), before + 1);
    connections[Symbol.dispose]();
  });

  test("who is put out as an administrator lets nobody in any more, nor does what was withdrawn", async () => {
    const keys = await Promise.all(Array.from({ length: 4 }, newKey));
    const [, early, late, withdrawing] = keys.map((key) => createCertificateRequest(key, "x"));
    const asked = { kind: "person", role: "administrator", approves: true } as const;
    const member = await here.join({
      key: keys[0]!,
      invitation: await here.invite({ ...asked, name: "second" }),
    });
    const { tls } = identityFrom(keys[0]!, member.certificate, member.authorities);
    const secret = newInvitationSecret();
    await here
      .administering({ ...here.lab.admin, tls })
      .addinvitation({ ...asked, uses: 5, secret_sha256: secretHash(secret) });
    const own = await here.invite({ ...asked, uses: 5 });

    await here.authority.stop();
    const first = await here.stranger.enrol({ csr: early!, invitation: secret, name: "early" });
    const other = await here.stranger.enrol({ csr: withdrawing!, invitation: own.secret, name: "other" });
    assert.deepEqual([first.state, other.state], ["waiting", "waiting"]);
    await here.lab.registry.suspend("second", true);
    await here.admin.withdrawinvitation({ id: own.id });
    await here.authority.start();
    await here.lab.agent.scan();
    const again = here.stranger.enrol({ csr: late!, invitation: secret, name: "late" });
    await assert.rejects(again, refusal("REVOKED", /no more/));
    const waiting = (await here.admin.listenrolments({ state: "waiting" })).map(({ id }) => id);
    assert.deepEqual([waiting.includes(first.id), waiting.includes(other.id)], [true, true]);
    assert.ok(!(await principals()).some((one) => /^(early|late|other) /.test(one)));
    await here.admin.approveenrolment({ id: first.id, role: "researcher" });
    assert.ok((await principals()).includes("early researcher -"), "an administrator decides instead");
    await here.admin.refuseenrolment({ id: other.id });
  });

  test("who stops waiting for a decision is told so, and nothing of timers", async () => {
    const invitation = await here.invite({ kind: "person", role: "researcher", name: "hasty" });
    const stop = new AbortController();
    const reason = new Error("interrupted");
    const terms = { signal: stop.signal, onWaiting: () => stop.abort(reason) };
    await assert.rejects(here.join({ key: await newKey(), invitation }, terms), (error) => error === reason);
  });

  test("a node is accepted with the address of its invitation and no other, a service certified", async () => {
    const address = "10.20.30.40";
    const approving = { approves: true } as const;
    await assert.rejects(here.invite({ kind: "node", ...approving }), /which addresses/);
    await assert.rejects(here.invite({ kind: "node", addresses: [address], uses: 2 }), /one use/);
    const invitation = await here.invite({ kind: "node", name: "n9", addresses: [address], ...approving });
    const key = await newKey();
    const newcomer = { key, kind: "node", invitation, name: "x" } as const;
    await assert.rejects(here.join({ ...newcomer, address: "127.0.0.1" }), refusal("BAD_NAME"));
    const member = await here.join({ ...newcomer, address });
    const facts = certificateFacts(parseCertificate(member.certificate));
    assert.deepEqual([facts.kind, facts.addresses, facts.name], ["server", [address], "n9"]);
    const nodes = await here.lab.database.rows("select node, ip from nodes where ip = $1", [address]);
    assert.deepEqual(nodes, [{ node: key.public.name, ip: address }]);
    const issued = await certificates();
    const again = await here.invite({ kind: "node", name: "n10", addresses: [address] });
    const other = await newKey();
    const csr = createCertificateRequest(other, "x");
    const { id } = await here.stranger.enrol({ csr, invitation: again.secret });
    await assert.rejects(here.admin.approveenrolment({ id }), /another node has the address/);
    assert.equal(await certificates(), issued, "and nobody was certified for it");
    assert.equal(
      await here.admin.approveenrolment({ id, addresses: ["10.20.30.41", "n10.example.org"] }),
      other.public.name,
    );
    const broker = await here.invite({ kind: "service", name: "b", addresses: ["192.0.2.9"], ...approving });
    const service = await here.join({ key: await newKey(), kind: "service", invitation: broker });
    assert.equal(certificateFacts(parseCertificate(service.certificate)).kind, "server");
    assert.ok(!(await principals()).some((one) => one.startsWith("b ")));
  });

  async function certificates(): Promise<number> {
    return (await (await openAuthority(here.authority.directory)).issued()).length;
  }

  test("while the authority is away nobody is certified and nothing is lost", async () => {
    await here.authority.stop();
    const invitation = await here.invite({ kind: "person", name: "late", approves: true });
    const key = await newKey();
    const waiting = Promise.withResolvers<string>();
    const joined = here.join({ key, invitation }, { onWaiting: waiting.resolve });
    const id = await waiting.promise;
    await assert.rejects(here.admin.approveenrolment({ id }), refusal("BACKEND_FAILED", /authority/));
    await here.authority.start();
    await here.lab.agent.scan();
    assert.equal(certificateFacts(parseCertificate((await joined).certificate)).name, "late");
  });

  test("a key that was revoked is refused for good, whatever its invitation says", async () => {
    const authority = await openAuthority(here.authority.directory);
    const key = await newKey();
    const csr = createCertificateRequest(key, "x");
    const validity = validityFrom(new Date(), 1);
    await authority.issue(csr, { name: "lost", kind: "client", validity });
    await authority.revoke(key.public.name, new Date());
    const invitation = await here.invite({ kind: "person", name: "lost", approves: true });
    await assert.rejects(here.join({ key, invitation }), refusal("NO_PRIVILEGE", /was revoked/));
  });

  test("only administrators invite, approve and refuse, and what they do is refused to others in the audit", async () => {
    const alice = here.administering(here.lab.alice);
    const id = "0".repeat(32);
    const secret_sha256 = "0".repeat(64);
    for (const call of [
      () => alice.addinvitation({ kind: "person", secret_sha256 }),
      () => alice.listinvitations({}),
      () => alice.withdrawinvitation({ id }),
      () => alice.listenrolments({}),
      () => alice.approveenrolment({ id }),
      () => alice.refuseenrolment({ id }),
    ])
      await assert.rejects(call(), refusal("NO_PRIVILEGE", /administrators/));
    const refused = (await audited(here.lab)).filter((entry) => /^alice .*NO_PRIVILEGE$/.test(entry));
    assert.equal(refused.length, 6);
  });

  test("requests run out, and strangers neither fill the books nor keep invited people out", async () => {
    here.lab.clock.advance(15 * DAY);
    await here.lab.agent.scan();
    const keys = await Promise.all(Array.from({ length: 5 }, newKey));
    const ask = (key: SigningKey, invitation?: string) =>
      here.stranger.enrol({ csr: createCertificateRequest(key, "x"), name: "flood", invitation });
    for (const key of keys.slice(0, 3)) await ask(key);
    await assert.rejects(ask(keys[3]!), refusal("RATE_LIMITED", /invitation/));
    const { secret } = await here.invite({ kind: "person", name: "invited", approves: true });
    assert.equal((await ask(keys[4]!, secret)).state, "approved");
    const csr = createCertificateRequest(keys[0]!, "x");
    const refused = new Set<string>();
    for (let batch = 0; refused.size === 0 && batch < 8; batch += 1) {
      const flood = await Promise.allSettled(Array.from({ length: 250 }, () => here.stranger.enrol({ csr })));
      for (const one of flood) if (one.status === "rejected") refused.add(one.reason.name);
    }
    assert.deepEqual([...refused], ["RATE_LIMITED"]);
    const waiting = await here.admin.listenrolments({ state: "waiting" });
    assert.equal(waiting.length, 3);
    assert.ok(
      (await here.lab.alice.client.getconfig()).version,
      "whoever has a certificate is served meanwhile",
    );
  });
});
