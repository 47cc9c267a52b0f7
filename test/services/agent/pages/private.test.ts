import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { DAY } from "../../../support/documents.ts";
import { type Credentials, SecureReader } from "../../../support/secure-web.ts";
import { type AgentLab, agentLab } from "../agent-lab.ts";

const LISTEN = { address: "127.0.0.1", tls_port: 0, plain_port: 0, web_port: 0, web_tls_port: 0 };

describe("what an agent's pages show of more than the public summary", () => {
  let lab: AgentLab;
  const readers = new DisposableStack();

  before(async () => {
    lab = await agentLab({ share: { slivers: 8 }, config: { listen: LISTEN } });
    const ips = lab.nodes.map(({ ip }) => ip);
    await lab.alice.client.newtickets({ slice: "oceanstore", ntickets: 2, leaselen: DAY, ips });
    await lab.bob.client.newtickets({ slice: "dns", ntickets: 1, leaselen: DAY, ips });
  });

  after(async () => {
    readers.dispose();
    await lab?.[Symbol.asyncDispose]();
  });

  /** Reads pages as whoever this is; without a key, as a stranger over TLS. */
  function as({ tls }: { readonly tls: Credentials }) {
    const reader = readers.use(new SecureReader(tls));
    return (path: string, headers?: Record<string, string>) =>
      reader.read(new URL(path, lab.agent.announce.web_tls), headers);
  }
  const stranger = () => as({ tls: { ca: lab.authority.caPem } });

  /** What is told first to somebody who looks on. */
  async function firstEvent({ tls }: { readonly tls: Credentials }, page: string): Promise<string> {
    using reader = new SecureReader(tls);
    return await reader.readUntil(new URL(`/events?page=${page}`, lab.agent.announce.web_tls), "event:");
  }

  test("principals see their own file and nobody else's, administrators everybody's", async () => {
    const alice = as(lab.alice);
    const own = JSON.parse((await alice("/me.json")).text);
    assert.equal(own.title, "alice");
    assert.equal(own.principal, lab.alice.name);
    assert.deepEqual(
      own.tables.slices.rows.map((row: { slice: string }) => row.slice),
      ["oceanstore"],
    );
    assert.equal(own.tables.tickets.total, 2);
    assert.equal(own.tables.audit.rows[0].method, "newtickets");
    assert.equal((await alice(`/principals/${lab.alice.name}`)).status, 200);
    assert.equal((await alice(`/principals/${lab.bob.name}`)).status, 404);
    for (const path of ["/principals", "/audit", "/audit.json"]) {
      const refused = await alice(path);
      assert.equal(refused.status, 403, path);
      assert.match(refused.text, /for administrators only/);
      assert.ok(!refused.text.includes("bob"));
    }
    assert.match(await firstEvent(lab.alice, "/me"), /oceanstore/);
    assert.match(await firstEvent(lab.alice, "/audit"), /^event: gone/m);
    const admin = as(lab.admin);
    const principals = JSON.parse((await admin("/principals.json")).text).tables.principals.rows;
    assert.deepEqual(
      principals.map((row: { label: string; slivers: number }) => `${row.label} ${row.slivers}`),
      ["admin 0", "alice 2", "bob 1"],
    );
    assert.match((await admin(`/principals/${lab.bob.name}`)).text, /<h1>bob<\/h1>/);
    assert.match((await admin("/audit")).text, /slice dns, tickets 1/);
  });

  test("a ticket has a page for whose it is, with its chain verified; a holding one for administrators", async () => {
    const [alice, admin] = [as(lab.alice), as(lab.admin)];
    const listed = (text: string) =>
      JSON.parse(text).tables.tickets.rows as { ticket: string; slice: string }[];
    const all = listed((await admin("/tickets.json")).text);
    assert.deepEqual(all.map(({ slice }) => slice).toSorted(), ["dns", "oceanstore", "oceanstore"]);
    assert.deepEqual(
      [...new Set(listed((await alice("/tickets.json")).text).map(({ slice }) => slice))],
      ["oceanstore"],
    );
    const own = all.find(({ slice }) => slice === "oceanstore")!;
    const others = all.find(({ slice }) => slice === "dns")!;
    const page = await alice(`/tickets/${own.ticket}`);
    assert.match(page.text, /Every signature was verified just now/);
    assert.match(page.text, /this agent/);
    assert.ok(!page.text.includes("/holdings/"));
    assert.equal((await alice(`/tickets/${others.ticket}`)).status, 404);
    assert.equal((await alice(`/tickets/${"0".repeat(64)}`)).status, 404);
    const seen = JSON.parse((await admin(`/tickets/${others.ticket}.json`)).text);
    assert.equal(seen.principal, lab.bob.name);
    const holding = await admin(`/holdings/${seen.holding}`);
    assert.match(holding.text, /Every signature was verified just now/);
    assert.match(holding.text, /id="calendar"/);
    assert.equal((await alice(`/holdings/${seen.holding}`)).status, 403);
    await lab.database.run("update holdings set lineage = '[\"nonsense\"]' where id = $1", [seen.holding]);
    assert.match((await admin(`/holdings/${seen.holding}`)).text, /The chain does not hold.*100 MALFORMED/s);
  });

  test("on a slice's and a node's page principals find their own tickets, strangers none", async () => {
    const [node] = lab.nodes;
    const tables = async (read: ReturnType<typeof as>, path: string) =>
      Object.keys(JSON.parse((await read(path)).text).tables);
    assert.ok((await tables(as(lab.alice), "/slices/oceanstore.json")).includes("tickets"));
    assert.ok(!(await tables(as(lab.alice), "/slices/dns.json")).includes("tickets"));
    assert.deepEqual(await tables(stranger(), `/nodes/${node.name}.json`), ["slivers"]);
    const seen = JSON.parse((await as(lab.alice)(`/nodes/${node.name}.json`)).text).tables;
    assert.equal(seen.tickets.total, 1);
    assert.ok(!("holdings" in seen));
    assert.ok((await tables(as(lab.admin), `/nodes/${node.name}.json`)).includes("holdings"));
    const drawn = (await stranger()("/slices/oceanstore")).text;
    assert.match(drawn, /<svg class="ring"/);
    assert.match(drawn, /<svg class="timeline"/);
  });

  test("strangers see over TLS what they see without, and why it is not more", async () => {
    const [plain, secure] = [await fetch(lab.agent.announce.web), await stranger()("/")];
    assert.equal(secure.status, 200);
    assert.match(secure.text, /A stranger/);
    assert.equal(
      secure.text.replace(/<span class="who">.*?<\/span><\/span>/, ""),
      (await plain.text()).toString(),
    );
    const refused = await stranger()("/me");
    assert.equal(refused.status, 403);
    assert.match(refused.text, /200 NO_CERTIFICATE/);
    const unknown = as(await lab.authority.client("carol"));
    assert.match((await unknown("/me")).text, /300 NOT_PRINCIPAL/);
    for (const [who, why] of [
      [await lab.authority.expired("alice"), /201 CERTIFICATE_EXPIRED/],
      [await lab.authority.foreign("alice"), /204 FOREIGN_CERTIFICATE/],
      [await lab.authority.wrongPurpose("alice"), /204 FOREIGN_CERTIFICATE/],
    ] as const) {
      const answer = await as(who)("/principals");
      assert.equal(answer.status, 403);
      assert.match(answer.text, why);
    }
  });

  test("without TLS there is nothing that is not for everybody", async () => {
    for (const path of ["/me", "/principals", `/principals/${lab.alice.name}`, "/audit", "/me.json"]) {
      assert.equal((await fetch(new URL(path, lab.agent.announce.web))).status, 404, path);
    }
    const page = await (await fetch(lab.agent.announce.web)).text();
    assert.ok(!/href="\/(me|principals|audit)/.test(page));
  });

  test("what somebody is, is looked up for each request on a connection that is open", async () => {
    const admin = as(lab.admin);
    assert.equal((await admin("/audit")).status, 200);
    await lab.registry.suspend("admin", true);
    assert.equal((await admin("/audit")).status, 403);
    assert.match((await admin("/me")).text, /Suspended: nothing new is issued/);
    await lab.registry.suspend("admin", false);
    await lab.registry.setRole("admin", "researcher");
    assert.equal((await admin("/audit")).status, 403);
    await lab.registry.setRole("admin", "administrator");
    assert.equal((await admin("/audit")).status, 200);
  });

  test("nothing of it is kept by anybody between, and other names are not served", async () => {
    const { headers } = await as(lab.alice)("/me");
    assert.equal(headers["cache-control"], "no-store");
    assert.equal(headers.vary, "*");
    assert.match(String(headers["content-security-policy"]), /default-src 'none'/);
    assert.equal((await as(lab.alice)("/me", { host: "evil.example" })).status, 421);
  });
});
