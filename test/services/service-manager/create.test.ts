import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { sliceNames } from "#services/service-manager/journal/slice-state.ts";
import { plainDescription } from "#shared/model/slice-description.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { writeSliceDescription } from "#shared/wire/slice-description.ts";
import { eventually } from "#test/support/deadline.ts";
import { assertExactly, leasesAtNodes } from "./exactness.ts";
import { type SliceLab, sliceLab } from "./slice-lab.ts";

async function descriptionFile(lab: SliceLab, name: string, change: object): Promise<string> {
  const path = join(lab.files, `${name}.xml`);
  await writeFile(path, writeSliceDescription({ ...plainDescription(name, 2), ...change }));
  return path;
}

test("a slice is created, shown, renewed and deleted, and nothing of it is left anywhere", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  const created = await lab.slice("create", "hello", "--nodes", "2", "-o", "json");
  assert.equal(created.code, 0, created.err);
  assert.deepEqual(
    JSON.parse(created.out).nodes.map((node: { state: string }) => node.state),
    ["leased", "leased"],
  );
  await assertExactly(lab, "hello", 2);

  const status = await lab.slice("status", "hello", "-o", "json");
  assert.deepEqual(
    [status.code, ...JSON.parse(status.out).nodes.map((node: { state: string }) => node.state)],
    [0, "running", "running"],
  );
  assert.match((await lab.slice("list")).out, /^hello +created +2\/2 +0 /m);
  assert.equal((await lab.slice("renew", "hello")).code, 0);
  await assertExactly(lab, "hello", 2);

  const deleted = await lab.slice("delete", "hello");
  assert.equal(deleted.code, 0, deleted.err);
  await assertExactly(lab, "hello", 0);
  assert.deepEqual(await sliceNames(lab.home), []);
  assert.equal((await lab.slice("delete", "hello")).code, 5);
});

test("leases that have ended are not listed as alive, and where there are no nodes it is said why and what to do", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  assert.equal((await lab.slice("create", "hello", "--nodes", "1", "--lease", "1h")).code, 0);
  await lab.nodes[0]!.stop();
  lab.clock.advance(401 * 86_400);
  const { code, out, err } = await lab.slice("list");
  assert.equal(code, 0);
  assert.match(out, /^hello +created +0\/1, 1 ended +0 /m);
  assert.match(
    err,
    /every lease of hello has ended: slice create hello makes its slivers anew, slice delete/,
  );
  const [row] = JSON.parse((await lab.slice("list", "-o", "json")).out);
  assert.deepEqual([row.slivers, row.ended, row.wanted], [0, 1, 1]);

  const nodes = await lab.slice("node", "list");
  assert.equal(nodes.code, 0);
  assert.match(
    nodes.err,
    /there are no nodes: the agent that answered holds no ticket .*; ask its administrator/,
  );
});

test("creating a slice again changes nothing and says the same", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  const first = await lab.slice("create", "hello", "--nodes", "2", "--lease", "2h", "-o", "json");
  const second = await lab.slice("create", "hello", "--nodes", "2", "--lease", "2h", "-o", "json");
  const bare = await lab.slice("create", "hello", "-o", "json");
  assert.deepEqual([first.code, second.code, bare.code], [0, 0, 0]);
  assert.equal(second.out, first.out);
  assert.equal(bare.out, first.out);
  await assertExactly(lab, "hello", 2);
});

test("a slice that exists is not turned into another one", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  await lab.slice("create", "hello", "--nodes", "2");
  const other = await lab.slice("create", "hello", "--nodes", "3");
  assert.equal(other.code, 1);
  assert.match(other.err, /SLICE_EXISTS.*already exists with another description/);
  await assertExactly(lab, "hello", 2);
});

test("a description's resources reach the lease, and the command line wins over it", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  const resources = { cpuMillis: 250, memoryMib: 64, diskMib: 100, egressKbps: 0 };
  const file = await descriptionFile(lab, "sized", { resources, leaseSeconds: 7200 });
  assert.equal((await lab.slice("create", file, "--memory", "96M")).code, 0);
  const leases = await leasesAtNodes(lab, "sized");
  for (const lease of leases) {
    assert.deepEqual(lease.resources, { ...resources, memoryMib: 96 });
    assert.equal(lease.term.end - lease.term.start, 7200);
  }
});

test("more nodes than there are: exit code 6, and nothing is left here or at the agent", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  const { code, err } = await lab.slice("create", "hello", "--nodes", "3");
  assert.equal(code, 6, err);
  assert.match(err, /2 of the 3 nodes needed fit/);
  assert.deepEqual(await sliceNames(lab.home), []);
  assert.deepEqual(await lab.charges(), []);
});

test("a plan explains every node and asks for nothing", async () => {
  await using lab = await sliceLab({ nodes: 3, sites: ["rome", "oslo", "oslo"] });
  const plan = await lab.slice("plan", "hello", "--nodes", "2", "--distinct-sites", "-o", "json");
  assert.equal(plan.code, 0, plan.err);
  const verdicts = JSON.parse(plan.out).map(
    (row: { site: string; verdict: string }) => `${row.site} ${row.verdict}`,
  );
  assert.deepEqual(verdicts.sort(), ["oslo chosen", "oslo refused", "rome chosen"]);
  assert.match(plan.out, /is at oslo, where the slice has a better node/);
  const large = await lab.slice("plan", "hello", "--nodes", "2", "--memory", "1T");
  assert.equal(large.code, 6);
  assert.equal(large.out.match(/has 4096 of 1048576 MiB of memory free/g)?.length, 3);
  assert.deepEqual([await sliceNames(lab.home), await lab.charges()], [[], []]);
});

test("what the command line says of places is kept to, and what it contradicts is refused", async () => {
  await using lab = await sliceLab({ nodes: 3, sites: ["rome", "oslo", "oslo"] });
  const [, , third] = lab.nodes;
  const chosen = async (...options: string[]) => {
    const plan = await lab.slice("plan", "hello", "--nodes", "1", ...options, "-o", "json");
    const rows: { ip: string; site: string; verdict: string }[] = JSON.parse(plan.out);
    return rows.filter(({ verdict }) => verdict === "chosen").map(({ ip, site }) => `${site} ${ip}`);
  };
  const last = [`oslo ${third!.ip}`];
  assert.deepEqual(await chosen("--include", third!.ip), last);
  assert.deepEqual(await chosen("--include", third!.identity.name.slice(0, 8)), last);
  assert.deepEqual(await chosen("--avoid", `${lab.nodes[1]!.ip}`, "--avoid", "site=rome"), last);
  assert.match((await chosen("--site", "rome", "--spread", "country")).join(), /^rome /);
  assert.deepEqual(await chosen("--max-load", "2"), [], "nobody measured here");
  const refused = async (...options: string[]) => {
    const { code, err } = await lab.slice("plan", "hello", "--nodes", "1", ...options);
    return `${code} ${err}`;
  };
  assert.match(await refused("--include", third!.ip, "--avoid", third!.ip), /^2 .* is to be avoided, too/);
  assert.match(
    await refused("--include", "127.9.9.9"),
    /^6 .*127.9.9.9 has to be among them and is advertised/s,
  );
  assert.match(await refused("--spread", "planet"), /^2 .*one of site, country, region/);
  assert.match(await refused("--max-load", "much"), /^2 .*"much" is no load/);
});

test("nodes are chosen by address or by the beginning of an identity", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  const [first, , third] = lab.nodes;
  const chosen = await lab.slice(
    "create",
    "picked",
    "--nodes",
    `${first!.ip},${third!.name.slice(0, 10)}`,
    "-o",
    "name",
  );
  assert.equal(chosen.code, 0, chosen.err);
  assert.deepEqual(new Set(chosen.out.trim().split("\n")), new Set([first!.name, third!.name]));
  assert.equal((await lab.slice("create", "other", "--nodes", "000000000000")).code, 2);
  const unknown = await lab.slice("create", "other", "--nodes", "10.9.9.9");
  assert.equal(unknown.code, 6);
  assert.match(unknown.err, /10\.9\.9\.9 is advertised by no agent/);
});

test("somebody the agent does not know gets exit code 4 and leaves nothing", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.registry.suspend("alice", true);
  const { code, err } = await lab.slice("create", "hello");
  assert.equal(code, 4, err);
  assert.match(err, /SUSPENDED/);
  assert.deepEqual(await sliceNames(lab.home), []);
});

test("an agent that is away: nothing is begun, and the next run is an ordinary one", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.stopAgent();
  const away = await lab.slice("create", "hello");
  assert.equal(away.code, 1);
  assert.match(away.err, /cannot be reached/);
  assert.deepEqual(await sliceNames(lab.home), []);
  await lab.startAgent();
  assert.equal((await lab.slice("create", "hello")).code, 0);
  await assertExactly(lab, "hello", 1);
});

test("a node that is down keeps its ticket; the next run redeems it and touches nothing else", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  await lab.nodes[1]!.stop();
  const partial = await lab.slice("create", "hello", "--nodes", "3", "-o", "json");
  assert.equal(partial.code, 3, partial.err);
  const down = JSON.parse(partial.out).nodes.find((node: { ip: string }) => node.ip === lab.nodes[1]!.ip);
  assert.deepEqual([down.state, down.trouble.name], ["ticket", "UNREACHABLE"]);
  const before = await leasesAtNodes(lab, "hello");
  assert.equal(before.length, 2);
  await eventually(async () => {
    const tickets = await lab.slice("ticket", "list", "hello", "-o", "json");
    assert.deepEqual(
      JSON.parse(tickets.out).map((ticket: { ip: string; kept: string }) => [ticket.ip, ticket.kept]),
      [[lab.nodes[1]!.ip, "both"]],
    );
    return true;
  });

  await lab.nodes[1]!.start();
  const complete = await lab.slice("create", "hello");
  assert.equal(complete.code, 0, complete.err);
  await assertExactly(lab, "hello", 3);
  const after = (await leasesAtNodes(lab, "hello")).map(({ serial }) => serial);
  for (const { serial } of before) assert.ok(after.includes(serial), "a lease that was there stayed");
});

test("a ticket that expired while its node was down is given back and replaced", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.nodes[1]!.stop();
  assert.equal((await lab.slice("create", "hello", "--nodes", "2", "--lease", "1d")).code, 3);
  lab.clock.advance(2 * 3600);
  await lab.nodes[1]!.start();
  const { code, err } = await lab.slice("create", "hello");
  assert.equal(code, 0, err);
  await assertExactly(lab, "hello", 2);
});

test("a standby takes the place of a node that fails, whose ticket is given back", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  const file = await descriptionFile(lab, "robust", { nodes: { count: 2, atleast: 2, standby: 1 } });
  const plan = JSON.parse((await lab.slice("plan", file, "-o", "json")).out) as {
    ip: string;
    verdict: string;
  }[];
  const failing = lab.nodes.find(({ ip }) => ip === plan.find(({ verdict }) => verdict === "chosen")!.ip)!;
  await failing.stop();
  const { code, err } = await lab.slice("create", file);
  assert.equal(code, 0, err);
  assert.equal((await leasesAtNodes(lab, "robust")).length, 2);
  await failing.start();
  assert.equal((await lab.slice("create", file)).code, 0);
  await assertExactly(lab, "robust", 2);
});

test("with fewer nodes than wanted but as many as needed, a slice is complete", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  const file = await descriptionFile(lab, "modest", { nodes: { count: 5, atleast: 2, standby: 0 } });
  const { code, err } = await lab.slice("create", file);
  assert.equal(code, 0, err);
  assert.match(err, /2 of 5 slivers/);
  await assertExactly(lab, "modest", 2);
});

test("a node where the slice exists already is replaced by another, and its lease left alone", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  const elsewhere = join(lab.files, "second-home");
  await mkdir(elsewhere, { mode: 0o700 });
  await writeFile(join(elsewhere, "config.toml"), await configOf(lab));
  const [taken] = lab.nodes;
  const first = await lab.sliceWith({ home: elsewhere }, "create", "hello", "--nodes", taken!.ip);
  assert.equal(first.code, 0, first.err);

  const named = await lab.slice("create", "hello", "--nodes", taken!.ip);
  assert.equal(named.code, 1, named.err);
  assert.match(named.err, /SLICE_EXISTS/);
  assert.deepEqual(await sliceNames(lab.home), []);

  const free = await lab.slice("create", "hello", "--nodes", "1", "-o", "json");
  assert.equal(free.code, 0, free.err);
  assert.deepEqual(
    JSON.parse(free.out)
      .nodes.filter((node: { state: string }) => node.state === "leased")
      .map((node: { ip: string }) => node.ip),
    [lab.nodes[1]!.ip],
  );
  assert.equal((await leasesAtNodes(lab, "hello")).length, 2);
});

async function configOf(lab: SliceLab): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  return await readFile(join(lab.home, "config.toml"), "utf8");
}

test("an interrupted creation ends with 130 and is finished by the next run", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  const interruption = new AbortController();
  const { Interrupted } = await import("#services/service-manager/terminal/exit-code.ts");
  lab.nodes[1]!.backend.beforeEnsure = async () => interruption.abort(new Interrupted());
  const { code, err } = await lab.sliceWith(
    { signal: interruption.signal },
    "create",
    "hello",
    "--nodes",
    "3",
  );
  assert.equal(code, 130, err);
  lab.nodes[1]!.backend.beforeEnsure = undefined;
  const again = await lab.slice("create", "hello", "--nodes", "3");
  assert.equal(again.code, 0, again.err);
  await assertExactly(lab, "hello", 3);
});

test("an agent that does not answer in time: exit code 124, and the next run gets the very tickets that were issued", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.database.transaction(async (tx) => {
    await tx.rows("lock table tickets in exclusive mode"); // nothing is issued until this transaction ends
    const late = await lab.slice("create", "hello", "--nodes", "2", "--deadline", "2s");
    assert.equal(late.code, 124, late.err);
  });
  const issued = await eventually(
    async () => {
      const tickets = await lab.agentClient.gettickets();
      return tickets.length === 2 && tickets.map((text) => parseDocument(text).id);
    },
    { what: "the tickets being issued" },
  );
  const { code, err } = await lab.slice("create", "hello", "--nodes", "2");
  assert.equal(code, 0, err);
  assert.deepEqual((await leasesAtNodes(lab, "hello")).map(({ ticket }) => ticket).sort(), issued.sort());
  await assertExactly(lab, "hello", 2);
});

test("two commands for one slice do not run at once", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  const { promise: entered, resolve: enter } = Promise.withResolvers<void>();
  const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
  lab.nodes[0]!.backend.beforeEnsure = async () => {
    enter();
    await allowed;
  };
  const first = lab.slice("create", "hello");
  await entered;
  const second = await lab.slice("create", "hello");
  assert.equal(second.code, 1);
  assert.match(second.err, /BUSY: slice hello is in use/);
  allow();
  assert.equal((await first).code, 0);
  await assertExactly(lab, "hello", 1);
});

test("a sliver that is gone from its node is made again by creating the slice again", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2");
  const [node] = lab.nodes;
  await node!.client.deletelease({ slice: "hello" });
  assert.equal((await lab.slice("status", "hello")).code, 3);
  const { code, err } = await lab.slice("create", "hello");
  assert.equal(code, 0, err);
  await assertExactly(lab, "hello", 2);
});
