import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createCertificateRequest } from "#shared/identity/certificate-request.ts";
import { DAY } from "../../../support/documents.ts";
import { revocationsBy } from "../../../support/revocations.ts";
import { type Credentials, SecureReader } from "../../../support/secure-web.ts";
import { type EnrolmentLab, enrolmentLab, newKey } from "../enrolment/enrolment-lab.ts";
import { administering } from "../registry/administrators.ts";

const LISTEN = { address: "127.0.0.1", tls_port: 0, plain_port: 0, web_port: 0, web_tls_port: 0 };

describe("what administrators see of newcomers and of what is revoked", () => {
  let here: EnrolmentLab;
  const readers = new DisposableStack();

  before(async () => {
    here = await enrolmentLab({ deposited: true, config: { listen: LISTEN } });
  });

  after(async () => {
    readers.dispose();
    await here?.[Symbol.asyncDispose]();
  });

  function as({ tls }: { readonly tls: Credentials }) {
    const reader = readers.use(new SecureReader(tls));
    return (path: string) => reader.read(new URL(path, here.lab.agent.announce.web_tls));
  }

  test("who waits, who invited, what became of it; no secret, and nothing for others", async () => {
    const { admin, lab, stranger } = here;
    const read = as(lab.admin);
    assert.match((await read("/newcomers")).text, /Nobody asked to be enrolled.*None was given out/s);
    const asked = { kind: "person", role: "pi", name: "dave" } as const;
    const { secret } = await here.invite(asked);
    const csr = createCertificateRequest(await newKey(), "newcomer");
    const note = "I am <b>Dave</b>";
    const { id } = await stranger.enrol({ csr, invitation: secret, note });
    await here.invite({ kind: "node", addresses: ["192.0.2.7"], approves: true });
    const shown = JSON.parse((await read("/newcomers.json")).text);
    assert.deepEqual([shown.waiting, shown.open_invitations], [1, 1]);
    const [row] = shown.tables.enrolments.rows;
    assert.deepEqual(
      [row.name, row.kind, row.state, row.note, row.id],
      ["dave", "person", "waiting", note, id],
    );
    const states = shown.tables.invitations.rows.map(
      (one: { kind: string; state: string; approves: string; by: string }) =>
        `${one.kind} ${one.state} ${one.approves} ${one.by}`,
    );
    assert.deepEqual(states.toSorted(), ["node open none needed admin", "person used needed admin"]);
    const page = (await read("/newcomers")).text;
    assert.match(page, /I am &lt;b&gt;Dave/);
    assert.ok(!page.includes(secret) && !page.includes("CERTIFICATE"));

    lab.clock.advance(15 * DAY);
    const late = JSON.parse((await read("/newcomers.json")).text);
    assert.equal(late.tables.enrolments.rows[0].state, "ran out");
    assert.equal(late.waiting, 0);
    lab.clock.advance(-15 * DAY);
    await admin.refuseenrolment({ id, reason: "nobody knows you" });
    const [refused] = JSON.parse((await read("/newcomers.json")).text).tables.enrolments.rows;
    assert.deepEqual([refused.state, refused.by], ["refused", "admin"]);
    assert.match((await read("/newcomers")).text, /nobody knows you/);
    assert.equal((await as(lab.alice)("/newcomers")).status, 403);
    assert.equal((await fetch(new URL("/newcomers", lab.agent.announce.web))).status, 404);
  });

  test("what is revoked by whom, which nodes have not heard of it, and a signer that says two things at once", async () => {
    const { lab } = here;
    const read = as(lab.admin);
    assert.match((await read("/revocations")).text, /Nothing is revoked/);
    const ips = lab.nodes.map(({ ip }) => ip);
    await lab.alice.client.newtickets({ slice: "web", ntickets: 1, leaselen: DAY, ips });
    const [ticket] = await lab.database.rows<{ id: string }>("select id from tickets");
    using administrator = administering(lab, lab.admin);
    await administrator.api.revoketicket({ ticket: ticket!.id });
    await administrator.api.revokeprincipal({ principal: "bob" });
    const authority = lab.authority.authority.key;
    const unknown = "ab".repeat(32);
    // The authority's service numbers its lists, which the agent takes as well, by the clock of the machine.
    const number = Math.floor(Date.now() / 1000) + 1_000_000;
    await lab.alice.client.postrevocations({ list: revocationsBy(authority, number, { key: [unknown] }) });
    const other = revocationsBy(authority, number, { key: ["cd".repeat(32)] });
    await assert.rejects(lab.alice.client.postrevocations({ list: other }));

    const { tables, notices } = JSON.parse((await read("/revocations.json")).text);
    const rows = tables.revoked.rows.map(
      ({ what, called, by }: { what: string; called: string | null; by: string }) =>
        `${what} ${called} ${by}`,
    );
    assert.deepEqual(rows.toSorted(), [
      "key null the authority",
      "principal bob this agent",
      "ticket web this agent",
    ]);
    const lists = tables.lists.rows.map(
      ({ signer, names, told }: { signer: string; names: number; told: number }) =>
        `${signer} ${names} ${told}`,
    );
    assert.deepEqual(lists, ["the authority 1 0", "this agent 2 0"]);
    assert.match(notices.join(), new RegExp(`signed two different lists with the number ${number}`));
    const page = (await read("/revocations")).text;
    assert.match(page, /0 of 2/);
    assert.match(page, new RegExp(`/tickets/${ticket!.id}`));
    assert.match((await read("/principals")).text, /revoked/);
    assert.equal((await as(lab.alice)("/revocations")).status, 403);
  });
});
