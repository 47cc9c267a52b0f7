import assert from "node:assert/strict";
import { test } from "node:test";
import type { administrationApi } from "#shared/wire/administration-api.ts";
import { DAY } from "../../../support/documents.ts";
import { agentLab, audited, charges, lockWaits, refusal } from "../agent-lab.ts";
import { administering } from "./administrators.ts";

const WEB = { slice: "web", ntickets: 1, leaselen: DAY, ips: "0.0.0.0" as const };

test("only administrators administer: every method is refused to others, changes nothing and is in the audit", async () => {
  await using lab = await agentLab();
  using alice = administering(lab, lab.alice);
  using stranger = administering(lab, await lab.authority.client("stranger"));
  const { certPem: certificate } = await lab.authority.client("carol");
  const digits = "0".repeat(64);
  const arguments_: Record<keyof typeof administrationApi, object> = {
    ...{
      addsite: { site: "mit" },
      listsites: {},
      getaudit: {},
      getauditheads: {},
      listprincipals: {},
      listprivileges: {},
      listquotas: {},
    },
    addprincipal: { name: "carol", role: "administrator", certificate },
    setrole: { principal: "alice", role: "administrator" },
    ...{ suspend: { principal: "admin" }, resume: { principal: "bob" } },
    grantprivilege: { principal: "alice", nodes: 5, lease_seconds: DAY },
    ...{ withdrawprivilege: { id: 1 }, setquota: { principal: "bob", slices: 0 } },
    ...{ removequota: { principal: "alice" }, acceptnode: { ip: "10.9.9.9", certificate } },
    ...{ listnodes: {}, drainnode: { node: digits }, resumenode: { node: "node0" }, listslices: {} },
    ...{ revokeprincipal: { principal: "alice" }, revoketicket: { ticket: digits }, listrevocations: {} },
    overbooknode: { node: "node0", overbooking: 2000 },
    ...{ retirenode: { node: "node0" }, transferslice: { slice: "web", principal: "alice" } },
    ...{ addmember: { slice: "web", principal: "bob" }, removemember: { slice: "web", principal: "bob" } },
    listmembers: { slice: "web" },
  };
  const contents = () =>
    lab.database.rows(
      `select (select jsonb_agg(p order by p.name) from principals p) as p,
        (select jsonb_agg(v order by v.id) from privileges v) as v, (select count(*) from sites) as s,
        (select count(*) from quotas) as q, (select jsonb_agg(n order by n.node) from nodes n) as n`,
    );
  const before = await contents();
  for (const [method, args] of Object.entries(arguments_)) {
    const call = (api: object) => (api as Record<string, (a: object) => Promise<unknown>>)[method]!(args);
    await assert.rejects(call(alice.api), refusal("NO_PRIVILEGE", /administrators/), method);
    await assert.rejects(call(stranger.api), refusal("NOT_PRINCIPAL"), method);
  }
  assert.deepEqual(await contents(), before);
  const refused = (await audited(lab)).filter((entry) => entry.endsWith("NO_PRIVILEGE"));
  assert.deepEqual(
    refused,
    Object.keys(arguments_).map((method) => `alice ${method} NO_PRIVILEGE`),
  );
});

test("an administrator enrols, limits, drains and hands over, and each act is in the audit under its key", async () => {
  await using lab = await agentLab({ nodes: 3 });
  using admin = administering(lab, lab.admin);
  const { api } = admin;
  const carol = await lab.authority.client("carol");
  await api.addsite({ site: "mit" });
  const name = await api.addprincipal({
    name: "carol",
    role: "researcher",
    certificate: carol.certPem,
    site: "mit",
  });
  assert.equal(name, carol.name);
  const id = await api.grantprivilege({ principal: "carol", nodes: 2, lease_seconds: DAY });
  await api.setquota({ site: "mit", slices: 3 });
  await api.drainnode({ node: lab.nodes[0].ip });
  assert.deepEqual(await api.listsites({}), [{ site: "mit", nodes: 0, principals: 1 }]);
  assert.deepEqual(await api.listquotas({}), [{ principal: null, site: "mit", slices: 3 }]);
  const granted = await api.listprivileges({ principal: "carol" });
  assert.deepEqual(
    granted.map((one) => [one.nodes, one.renewable_seconds]),
    [
      [1000, 28 * DAY],
      [2, 2 * DAY],
    ],
  );
  await api.withdrawprivilege({ id });
  assert.equal((await api.listprivileges({ principal: name })).length, 1);
  assert.deepEqual(
    (await api.listnodes({})).map((node) => `${node.name} ${node.state}`),
    ["node0 drained", "node1 serving", "node2 serving"],
  );
  assert.deepEqual(
    (await api.listprincipals({ after: "bob", limit: 2 })).map((one) => one.name),
    ["carol", "node0"],
  );
  await lab.client(carol).newtickets({ ...WEB, slice: "mit_web" });
  await api.transferslice({ slice: "mit_web", principal: "bob" });
  const [slice] = await api.listslices({});
  assert.deepEqual([slice?.slice, slice?.name, slice?.nodes], ["mit_web", "bob", 1]);
  const again = { ...WEB, slice: "mit_web" };
  await assert.rejects(lab.client(carol).newtickets(again), refusal("NOT_PRINCIPAL", /somebody else/));
  assert.equal((await lab.bob.client.newtickets(again)).length, 1);
  const acts = (await audited(lab)).filter((entry) => entry.startsWith("admin "));
  assert.deepEqual(acts, [
    ...["add site", "add principal", "grant privilege", "set quota", "drain node"].map(
      (a) => `admin ${a} ok`,
    ),
    ...["withdraw privilege", "transfer slice"].map((act) => `admin ${act} ok`),
  ]);
});

test("a mistake is told, numbered, and changes nothing", async () => {
  await using lab = await agentLab();
  using admin = administering(lab, lab.admin);
  const { api } = admin;
  const { certPem: certificate } = lab.alice;
  for (const [call, sentence] of [
    [() => api.addsite({ site: "No Such Name" }), /up to 63/],
    [() => api.addprincipal({ name: "eve", role: "pi", certificate }), /registered already/],
    [() => api.suspend({ principal: "nobody" }), /no principal "nobody"/],
    [() => api.setrole({ principal: "node0", role: "pi" }), /retire/],
    [() => api.withdrawprivilege({ id: 999 }), /no privilege 999/],
    [() => api.setquota({ slices: 1 }), /principal's or a site's/],
    [() => api.setquota({ site: "nowhere", slices: 1 }), /no such site/],
    [() => api.setquota({ principal: "alice" }), /say what is limited/],
    [() => api.removequota({ principal: "alice" }), /no such quota/],
    [() => api.drainnode({ node: "10.1.1.1" }), /no node/],
    [() => api.overbooknode({ node: "10.1.1.1", overbooking: 1000 }), /no node/],
  ] as const) {
    await assert.rejects(call, refusal("MALFORMED", sentence));
  }
  await assert.rejects(api.transferslice({ slice: "none", principal: "bob" }), refusal("NO_SLICE"));
  assert.deepEqual(
    (await audited(lab)).filter((entry) => /^admin .* ok$/.test(entry)),
    [],
  );
});

test("the same request_id is the same change, once", async () => {
  await using lab = await agentLab();
  using admin = administering(lab, lab.admin);
  const grant = { principal: "alice", nodes: 5, lease_seconds: DAY };
  const ask = () => admin.api.grantprivilege({ ...grant, request_id: "grant-1" });
  const first = await ask();
  assert.deepEqual(await Promise.all([ask(), ask()]), [first, first]);
  assert.equal((await audited(lab)).filter((entry) => entry.includes("grant privilege")).length, 1);
});

test("an administrator who is suspended or demoted in mid-request is so before: the change is refused", async () => {
  await using lab = await agentLab();
  using admin = administering(lab, lab.admin);
  for (const [change, undo, fault] of [
    ["update principals set suspended = true", "update principals set suspended = false", "SUSPENDED"],
    ["update principals set role = 'pi'", "update principals set role = 'administrator'", "NO_PRIVILEGE"],
  ] as const) {
    let asked: Promise<unknown> | undefined;
    await lab.database.transaction(async (tx) => {
      await tx.run(`${change} where label = 'admin'`);
      asked = admin.api.addsite({ site: "late" });
      asked.catch(() => undefined); // looked at below
      await lockWaits(lab, 1);
    });
    await assert.rejects(asked!, refusal(fault));
    await lab.database.run(`${undo} where label = 'admin'`);
  }
  assert.deepEqual(await admin.api.listsites({}), []);
});

test("a drained node gets nothing new and is advertised without anything free; what there is goes on", async () => {
  await using lab = await agentLab();
  using admin = administering(lab, lab.admin);
  const [node] = lab.nodes;
  await lab.alice.client.newtickets({ ...WEB, ips: [node.ip] });
  await admin.api.drainnode({ node: "node0" });
  await assert.rejects(
    lab.bob.client.newtickets({ ...WEB, slice: "late", ips: [node.ip] }),
    refusal("NO_CAPACITY", /being drained/),
  );
  assert.deepEqual(await charges(lab), [`web on ${node.ip}`]);
  const ads = (await lab.alice.client.getads({ limit: 10 })) as { ip: string; free: { slivers: number } }[];
  assert.equal(ads.find(({ ip }) => ip === node.ip)?.free.slivers, 0);
  const little = { cpu_millis: 0, memory_mib: 0, disk_mib: 0, egress_kbps: 0 };
  assert.equal((await lab.alice.client.getads({ resources: little })).length, 1);
  assert.deepEqual(await lab.alice.client.getads({}), [lab.nodes[1].ip]);
  await assert.rejects(admin.api.retirenode({ node: "node0" }), refusal("MALFORMED", /1 ticket/));
  await admin.api.retirenode({ node: "node1" });
  await assert.rejects(lab.nodes[1].deposit(), refusal("SUSPENDED"));
  await admin.api.resumenode({ node: "node0" });
  assert.equal((await lab.bob.client.newtickets({ ...WEB, slice: "late", ips: [node.ip] })).length, 1);
});

test("draining in mid-request comes before or after: no ticket is issued once it is done", async () => {
  await using lab = await agentLab();
  const [node] = lab.nodes;
  const ask = { ...WEB, ips: [node.ip] };
  let asked: Promise<unknown> | undefined;
  await lab.database.transaction(async (tx) => {
    await tx.rows("select from accounts where node = $1 for update", [node.name]);
    await tx.run("update nodes set drained = now() where node = $1", [node.name]);
    asked = lab.alice.client.newtickets(ask);
    asked.catch(() => undefined); // looked at below
    await lockWaits(lab, 1);
  });
  await assert.rejects(asked!, refusal("NO_CAPACITY", /being drained/));
  assert.deepEqual(await charges(lab), []);
});
