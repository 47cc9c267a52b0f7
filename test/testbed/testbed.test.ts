import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { certificateFacts, parseCertificate } from "#shared/identity/certificate.ts";
import { eventually } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { isProcess, spawnTestbed, type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";
import { settledState, stateOf } from "#test/support/testbed-state.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const rpc = (scheme: string) => z.string().regex(new RegExp(`^${scheme}://[0-9.]+:[0-9]+/RPC2$`));
const web = z.string().regex(/^http:\/\/[0-9.]+:[0-9]+\/$/);
const pid = z.int().positive();
const path = z.string().refine((file) => existsSync(file), "there is no such file");
const person = z.object({ key: path, cert: path, sha256, home: path });
const principals = z.object({ alice: person, bob: person, admin: person });

/** testbed.json as outside programs were promised it. More may be there, and is. */
const withPlain = z.object({
  authority: path,
  agent: z.object({ tls: rpc("https"), plain: rpc("http"), web, pid }),
  nodes: z.array(z.object({ ip: z.ipv4(), node: sha256, tls: rpc("https"), plain: rpc("http"), web, pid })),
  principals,
});
const withoutPlain = z.object({
  authority: path,
  agent: z.object({ tls: rpc("https"), plain: z.undefined().optional(), web, pid }),
  nodes: z.array(
    z.object({ ip: z.ipv4(), node: sha256, tls: rpc("https"), plain: z.undefined().optional(), web, pid }),
  ),
  principals,
});

const USUAL = { agent: { plain: 7000, tls: 7001, web: 7002 }, node: { plain: 8000, tls: 8001, web: 8002 } };

/** The testbed's command, to its end. */
async function run(...args: string[]): Promise<{ code: number | null; err: string }> {
  const child = spawnTestbed(args);
  const [err] = await Promise.all([text(child.stderr!), once(child, "exit")]);
  return { code: child.exitCode, err };
}

async function isFree(ip: string, port: number): Promise<boolean> {
  const server = createServer().listen(port, ip);
  try {
    await once(server, "listening");
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    return false;
  } finally {
    server.close();
  }
}

function portsOf({ tls, plain, web }: { tls: string; plain?: string; web: string }) {
  const port = (url: string) => Number(new URL(url).port);
  return { plain: port(plain!), tls: port(tls), web: port(web) };
}

/** Processes at work in a directory, as PostgreSQL's are. */
async function processesIn(directory: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const places = await Promise.all(pids.map((one) => readlink(`/proc/${one}/cwd`).catch(() => undefined)));
  return pids.filter((_, at) => places[at]?.startsWith(directory));
}

describe("a testbed", () => {
  let lab: TestbedProcess;
  before(async () => {
    lab = await testbedProcess({ nodes: 2, plain: true, ownPostgres: true });
  });
  after(() => lab[Symbol.asyncDispose]());

  test("describes itself to outside programs in testbed.json", async () => {
    const description = withPlain.parse(JSON.parse(await readFile(join(lab.home, "testbed.json"), "utf8")));
    assert.deepEqual(
      description.nodes.map(({ ip }) => ip),
      ["127.0.1.1", "127.0.1.2"],
    );
    for (const { pid } of [description.agent, ...description.nodes]) assert.ok(isProcess(pid));
    for (const { key, cert, sha256 } of Object.values(description.principals)) {
      assert.equal((await stat(key)).mode & 0o777, 0o600);
      const facts = certificateFacts(parseCertificate(await readFile(cert, "utf8")));
      assert.equal(facts.key.name, sha256);
    }
    assert.match(await readFile(description.authority, "utf8"), /^-----BEGIN CERTIFICATE-----/);
    for (const { web } of [description.agent, ...description.nodes]) {
      const page = await fetch(web);
      assert.equal(page.status, 200);
      assert.match(await page.text(), /<html/);
    }
  });

  test("has the agent hold something of every node, and know its people", async () => {
    const { alice, bob, admin } = lab.clients;
    for (const who of [alice, bob, admin]) assert.equal((await who.agent.getads({})).length, 2);
    const [ticket] = await alice.agent.newtickets({
      slice: "hello",
      ntickets: 1,
      leaselen: 60,
      ips: "0.0.0.0",
    });
    assert.equal((await alice.agent.releasetickets({ tickets: [ticket!] })).length, 1);
  });

  test("is alone on its home", async () => {
    const { code, err } = await run("--home", lab.home, "--nodes", "1");
    assert.equal(code, 1);
    assert.match(err, /BUSY/);
    assert.equal((await lab.clients.alice.agent.getads({})).length, 2);
  });

  test("starts again what was killed, once, however often it is asked", async () => {
    await Promise.all([lab.kill("agent"), lab.kill(0)]);
    const [first, second] = await Promise.all([lab.revive(), lab.revive()]);
    assert.deepEqual(first.toSorted(), ["agent", "node manager 127.0.1.1"]);
    assert.deepEqual(second, first);
    assert.deepEqual(await lab.revive(), []);
    for (const service of ["agent", 0, 1] as const) assert.ok(isProcess(lab.pidOf(service)));
    await eventually(async () => (await lab.clients.alice.agent.getads({})).length === 2);
  });

  test("starts its PostgreSQL again as well, under services that go on", async () => {
    const [first = ""] = (await readFile(join(lab.home, "postgres", "data", "postmaster.pid"), "utf8")).split(
      "\n",
    );
    process.kill(Number(first), "SIGKILL");
    await eventually(() => !isProcess(Number(first)));
    await assert.rejects(lab.clients.alice.agent.getads({}), /STORE_DOWN/);
    assert.deepEqual(await lab.revive(), ["PostgreSQL"]);
    assert.deepEqual(await lab.revive(), []);
    await eventually(async () => (await lab.clients.alice.agent.getads({}).catch(() => [])).length === 2);
  });

  test("leaves no process when it is killed or stopped, and comes back on its home with all it had", async () => {
    assert.equal((await lab.slice("alice", "create", "hello", "--nodes", "2")).code, 0);
    const before = await settledState(lab);
    const services = () => [lab.description.agent, ...lab.description.nodes];
    const addresses = services().map(portsOf);
    assert.notDeepEqual(await processesIn(lab.home), []);
    for (const end of [() => lab.stop(), () => lab.crash()]) {
      const pids = services().map(({ pid }) => pid);
      await end();
      assert.deepEqual(pids.filter(isProcess), []);
      await eventually(async () => (await processesIn(lab.home)).length === 0, { what: "PostgreSQL's end" });
      await lab.start();
      assert.deepEqual(services().map(portsOf), addresses);
      assert.deepEqual(await stateOf(lab), before);
      await eventually(async () => {
        const { code, out } = await lab.slice("alice", "status", "hello", "-o", "json");
        const states = JSON.parse(out).nodes.map(({ state }: { state: string }) => state);
        return code === 0 && states.every((state: string) => state === "running");
      });
    }
    assert.equal((await lab.slice("alice", "delete", "hello")).code, 0);
  });
});

test("a testbed without --plain opens and names no port without TLS", async () => {
  await using lab = await testbedProcess({ nodes: 1 });
  withoutPlain.parse(lab.description);
  const { alice } = lab.clients;
  assert.equal((await alice.agent.getconfig()).port, 0);
  assert.equal((await alice.nodes[0]!.getconfig()).port, 0);
});

test("a testbed takes the usual ports where they are free, and others where they are not", async () => {
  await using directory = await temporaryDirectory();
  const taken = createServer().listen(USUAL.node.web, "127.0.1.1");
  await Promise.race([once(taken, "listening"), once(taken, "error")]); // either way somebody has it
  const free = async (ip: string, ports: Record<string, number>) =>
    Object.fromEntries(
      await Promise.all(Object.entries(ports).map(async ([use, port]) => [use, await isFree(ip, port)])),
    );
  const expected = { agent: await free("127.0.0.1", USUAL.agent), node: await free("127.0.1.1", USUAL.node) };
  const child = spawnTestbed(["--home", join(directory.path, "home"), "--nodes", "1", "--plain"]);
  try {
    const said = text(child.stderr!);
    const file = join(directory.path, "home/testbed.json");
    await eventually(() => existsSync(file) || child.exitCode !== null, { withinMs: 60_000 });
    assert.equal(child.exitCode, null, child.exitCode === null ? "" : await said);
    const { agent, nodes } = withPlain.parse(JSON.parse(await readFile(file, "utf8")));
    const chosen = { agent: portsOf(agent), node: portsOf(nodes[0]!) };
    const asUsual = (ports: Record<string, number>, usual: Record<string, number>) =>
      Object.fromEntries(Object.entries(ports).map(([use, port]) => [use, port === usual[use]]));
    assert.deepEqual(
      { agent: asUsual(chosen.agent, USUAL.agent), node: asUsual(chosen.node, USUAL.node) },
      expected,
    );
    assert.equal(expected.node.web, false);
  } finally {
    const exit = once(child, "exit");
    child.kill("SIGINT");
    await exit;
    taken.close();
  }
});

test("a command line that makes no sense ends with 2 and says why", async () => {
  await using directory = await temporaryDirectory();
  const home = join(directory.path, "home");
  const wrong = [
    [],
    ["--home", home, "--nodes", "0"],
    ["--home", home, "--nodes", "many"],
    ["--home", home, "--engine", "steam"],
    ["--home", home, "--ports", "some"],
    ["--home", home, "--colour", "blue"],
    ["--home", home, "surplus"],
  ];
  for (const { code, err } of await Promise.all(wrong.map((args) => run(...args)))) {
    assert.equal(code, 2);
    assert.match(err, /^testbed: .+\n\nUsage: npm run testbed -- --home DIR/);
  }
  assert.equal(existsSync(home), false);
});
