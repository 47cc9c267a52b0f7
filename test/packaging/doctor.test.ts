import assert from "node:assert/strict";
import { chmod, chown, copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { checkClock } from "#packaging/doctor/clock.ts";
import { runDoctor } from "#packaging/doctor/commands.ts";
import { type Finding, findingsText, Report } from "#packaging/doctor/finding.ts";
import { checkImages } from "#packaging/doctor/images.ts";
import { asOwnerOf, withUser } from "#packaging/doctor/service-account.ts";
import { initAuthority } from "#services/authority/authority.ts";
import { validityFrom } from "#shared/identity/certificate.ts";
import { type Clock, systemClock } from "#shared/runtime/clock.ts";
import { testAuthority } from "#test/support/authority.ts";
import { type TemporaryDirectory, temporaryDirectory } from "#test/support/directory.ts";
import { type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";

let lab: TestbedProcess;
let scratch: TemporaryDirectory;

before(async () => {
  scratch = await temporaryDirectory();
  lab = await testbedProcess({ nodes: 1, broker: true });
});

after(async () => {
  await lab[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

const FILES = {
  agent: "agent/agent.toml",
  broker: "broker/broker.toml",
  "node-manager": "nodes/1/node-manager.toml",
  slice: "principals/alice",
};

type Examined = { readonly config?: readonly string[]; readonly clock?: Clock; readonly directory?: string };

async function examine({ config = [], clock = systemClock(), directory }: Examined) {
  let said = "";
  const argv = ["-o", "json", ...config.flatMap((one) => ["--config", one])];
  const code = await runDoctor(argv, {
    out: (text) => {
      said += text;
    },
    err: () => undefined,
    env: {},
    clock,
    directory,
  });
  return { code, findings: said ? (JSON.parse(said).findings as Finding[]) : [] };
}

/** A configuration of the testbed, changed. */
async function changed(part: keyof typeof FILES, name: string, from: string | RegExp, to: string) {
  const text = await readFile(join(lab.home, FILES[part]), "utf8");
  assert.notEqual(text.replace(from, to), text, "the change has to change something");
  const file = join(scratch.path, name);
  await writeFile(file, text.replace(from, to));
  return `${part}=${file}`;
}

async function troubleOf(config: string, check: string, clock?: Clock): Promise<Finding> {
  const { code, findings } = await examine({ config: [config], clock });
  assert.equal(code, 1);
  const found = findings.find((one) => one.check === check && one.state === "trouble");
  assert.ok(found, JSON.stringify(findings));
  assert.ok(found.mend, "whoever reads of trouble is told what mends it");
  return found;
}

test("a deployment that works is well: every part, its database, ports, certificates and whom it calls", async () => {
  const config = Object.entries(FILES).map(([part, file]) => `${part}=${join(lab.home, file)}`);
  const monitor = join(scratch.path, "resource-monitor.toml");
  await writeFile(monitor, '[announce]\nto = ["127.0.0.1:8649"]\n[listen]\naddress = "127.77.7.7"\n');
  const { code, findings } = await examine({ config: [...config, monitor] });
  assert.deepEqual(
    findings.filter(({ part, state }) => part !== "machine" && state !== "well"),
    [],
  );
  assert.equal(code, 0);
  const checks = new Set(findings.map(({ part, check }) => `${part}: ${check}`));
  for (const check of [
    ...["machine: clock", "agent: database", "agent: schema", "agent: certificate", "agent: term"],
    ...["agent: port", "resource-monitor: monitor", "broker: agent", "node-manager: engine simulated"],
    ...["node-manager: agent", "resource-monitor: port", "slice: agent", "slice: broker"],
  ]) {
    assert.ok(checks.has(check), check);
  }
  const served = findings.filter(({ check, found }) => check === "port" && found.endsWith("is served"));
  assert.ok(served.length >= 8, "agent, broker and node manager have their ports");
});

test("an option that is none, a file that is missing and one that is no TOML are told as the service would", async () => {
  const wrong = await changed("agent", "wrong.toml", /^/, 'databse = "x"\n');
  assert.match((await troubleOf(wrong, "configuration")).found, /databse is not an option/);
  const missing = `agent=${join(scratch.path, "missing.toml")}`;
  assert.match((await troubleOf(missing, "configuration")).found, /cannot be read \(ENOENT\)/);
});

test("root asks a database as the account of the service, and is itself again", async (t) => {
  if (process.getuid!() !== 0) return t.skip("only root can be somebody else");
  const key = join(scratch.path, "of-nobody.key");
  await writeFile(key, "");
  assert.deepEqual(await asOwnerOf(key, async (account) => [process.geteuid!(), account]), [0, undefined]);
  await chown(key, 65534, 65534);
  assert.deepEqual(await asOwnerOf(key, async (account) => [process.geteuid!(), account]), [65534, "nobody"]);
  await assert.rejects(
    asOwnerOf(key, () => Promise.reject(new TypeError("fails"))),
    /fails/,
  );
  assert.deepEqual([process.geteuid!(), process.getegid!()], [0, 0]);
  assert.deepEqual(await asOwnerOf(join(scratch.path, "none"), async (account) => account), undefined);
});

test("a database's URL that names no user is that of the service's account", () => {
  const peer = "postgresql:///slicelab?host=/var/run/postgresql";
  assert.equal(new URL(withUser(peer, "slicelab")).searchParams.get("user"), "slicelab");
  assert.equal(new URL(withUser(peer, "slicelab")).searchParams.get("host"), "/var/run/postgresql");
  for (const named of ["postgresql://eve:secret@db.example/slicelab", `${peer}&user=eve`])
    assert.equal(withUser(named, "slicelab"), named);
  assert.equal(withUser(peer, undefined), peer);
});

test("a database that cannot be reached is told with what PostgreSQL's client said", async () => {
  const config = await changed(
    "agent",
    "database.toml",
    /^database = .*$/m,
    'database = "postgresql://nobody:secret@127.0.0.1:1/none"',
  );
  const { found } = await troubleOf(config, "database");
  assert.match(found, /ECONNREFUSED/);
  assert.doesNotMatch(found, /secret/);
});

test("certificates: ended, of another authority, for another address, and with a key that others can read", async () => {
  const node = `node-manager=${join(lab.home, FILES["node-manager"])}`;
  const later = systemClock().milliseconds() + 400 * 86_400_000;
  const clock: Clock = { ...systemClock(), milliseconds: () => later };
  assert.match((await troubleOf(node, "term", clock)).found, /ended on/);

  const own = join(lab.home, "nodes/1");
  const other = join(scratch.path, "other-ca.pem");
  await writeFile(other, (await testAuthority()).caPem);
  const foreign = await changed("node-manager", "foreign.toml", /authority = .*/, `authority = "${other}"`);
  assert.match((await troubleOf(foreign, "certificate")).found, /was not issued by an authority/);

  const key = join(scratch.path, "open.key");
  await copyFile(join(own, "node-1.key"), key);
  await chmod(key, 0o644);
  const open = await changed("node-manager", "open.toml", /key = .*/, `key = "${key}"`);
  assert.match((await troubleOf(open, "certificate")).found, /open\.key/);

  const elsewhere = await changed("node-manager", "elsewhere.toml", /^ip = .*/m, 'ip = "127.9.9.9"');
  const { findings } = await examine({ config: [elsewhere] });
  const warned = findings.find(({ check, state }) => check === "certificate" && state === "warning");
  assert.match(warned?.found ?? "", /not for 127\.9\.9\.9/);
});

test("ports that another program has, and addresses the machine has not", async () => {
  await using server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  const taken = await changed("agent", "taken.toml", /tls_port = \d+/, `tls_port = ${port}`);
  assert.match((await troubleOf(taken, "port")).found, /EADDRINUSE/);
  const foreign = await changed("agent", "address.toml", /address = .*/, 'address = "192.0.2.99"');
  assert.match((await troubleOf(foreign, "port")).found, /EADDRNOTAVAIL/);
});

test("a service's own ports are not taken, whatever is wrong with its key or certificate", async () => {
  const key = join(lab.home, "broker/broker.key");
  await chmod(key, 0o644);
  try {
    const { findings } = await examine({ config: [`broker=${join(lab.home, FILES.broker)}`] });
    const of = (check: string) => findings.filter((one) => one.check === check);
    assert.deepEqual(
      of("certificate").map(({ state }) => state),
      ["trouble"],
    );
    assert.ok(of("port").length > 1);
    assert.ok(
      of("port").every(({ found }) => found.endsWith("is served")),
      JSON.stringify(of("port")),
    );
    const copy = await changed("broker", "copy.toml", /$/, "# not what it was started with");
    assert.match((await troubleOf(copy, "port")).found, /EADDRINUSE/);
  } finally {
    await chmod(key, 0o600);
  }
});

test("a node's images: there, to be made with what that takes, and such as can't be made", async () => {
  const imagesDirectory = join(scratch.path, "images");
  await mkdir(join(imagesDirectory, "mine/root"), { recursive: true });
  await writeFile(join(imagesDirectory, "mine/image.json"), "{}");
  const layout = { name: "layout", source: `oci:${scratch.path}/layout` };
  const images = [
    "mine",
    "busybox",
    { name: "gone", source: "/nowhere/root.tar" },
    "nonsense",
    layout,
  ] as const;
  const report = new Report("node-manager");
  await checkImages(report, { engines: ["container", "microvm"], images: [...images], imagesDirectory });
  assert.deepEqual(
    report.findings.map(({ check, state, found }) => `${state} ${check}: ${found}`),
    [
      "well image mine: the machine has it",
      "well image busybox: the next start makes it, which takes a second",
      "trouble image gone: there is no /nowhere/root.tar",
      "trouble image nonsense: there is no recipe nonsense; give it a source",
      `well image layout: the next start makes it, which takes as long as copying oci:${scratch.path}/layout`,
      "well kernel: the next start fetches Debian's for microvms, from a mirror of its packages",
    ],
  );
  const without = new Report("node-manager");
  await checkImages(without, { engines: ["simulated"], imagesDirectory });
  assert.deepEqual(without.findings, []);
});

test("agents that are not there, and agents with another key than was configured", async () => {
  const gone = await changed("broker", "gone.toml", /url = .*/, 'url = "https://127.0.0.1:1/RPC2"');
  assert.match((await troubleOf(gone, "agent")).found, /cannot be reached/);
  const other = await changed(
    "broker",
    "other.toml",
    /identity = "[0-9a-f]{64}"/,
    `identity = "${"0".repeat(64)}"`,
  );
  assert.match((await troubleOf(other, "agent")).mend!, /another key is there/);
});

test("monitors that an agent cannot reach are a warning, since it issues without them", async () => {
  const config = await changed(
    "agent",
    "monitor.toml",
    /$/,
    '\n[[monitors]]\nhost = "127.0.0.1"\nport = 1\n',
  );
  const { code, findings } = await examine({ config: [config] });
  assert.equal(code, 0);
  const { state, found } = findings.find(({ check }) => check === "monitor")!;
  assert.deepEqual([state, found], ["warning", "127.0.0.1:1 cannot be reached (ECONNREFUSED)"]);
});

test("a Redis that is away is a warning, since work is done without it", async () => {
  const config = await changed("broker", "redis.toml", /^/, 'redis = "redis://127.0.0.1:1"\n');
  const { code, findings } = await examine({ config: [config] });
  assert.equal(code, 0);
  assert.equal(findings.find(({ check }) => check === "redis")?.state, "warning");
});

test("without --config every file in the directory is examined, with the variables of its unit", async () => {
  const directory = join(scratch.path, "etc");
  await mkdir(directory);
  const agent = await readFile(join(lab.home, FILES.agent), "utf8");
  const [line, url] = /^database = (.*)$/m.exec(agent)!;
  await writeFile(join(directory, "agent.toml"), agent.replace(line, ""));
  await writeFile(join(directory, "agent.env"), `DATABASE_URL=${url}\n`);
  const { code, findings } = await examine({ directory });
  assert.equal(code, 0, findingsText(findings));
  assert.ok(findings.some(({ part, check }) => part === "agent" && check === "database"));
  assert.deepEqual(new Set(findings.map(({ part }) => part)), new Set(["machine", "agent"]));
});

test("a part there is not is a usage error", async () => {
  assert.equal((await examine({ config: ["librarian=x.toml"] })).code, 2);
});

test("a clock that nobody keeps right, or that may be far off, is a warning that says what to install", () => {
  const report = new Report("machine");
  checkClock(report, () => ({ synchronised: true, error: { estimatedMs: 1, maximumMs: 20 } }));
  checkClock(report, () => ({ synchronised: true, error: { estimatedMs: 1, maximumMs: 9_000 } }));
  checkClock(report, () => ({ synchronised: false }));
  checkClock(report, () => undefined);
  assert.deepEqual(
    report.findings.map(({ state }) => state),
    ["well", "warning", "warning", "warning"],
  );
  assert.match(findingsText(report.findings), /warning {2}machine: clock: .*9\.0 s\n {9}→ .*chrony/);
});

test("an authority that serves is examined, and an agent says when its own gives no answer", async () => {
  const there = join(scratch.path, "authority");
  await initAuthority(there, { name: "test", validity: validityFrom(new Date(), 30) });
  const file = join(scratch.path, "authority.toml");
  const write = (directory: string, registrar: string) =>
    writeFile(
      file,
      `directory = "${directory}"\naddresses = ["127.0.0.1"]\nregistrars = [${registrar}]\n[listen]\ntls_port = 0\n`,
    );
  const key = "0".repeat(64);
  await write(there, `{ key = "${key}", addresses = ["192.0.2.0/24"] }, "${"1".repeat(64)}"`);
  const { code, findings } = await examine({ config: [`authority=${file}`] });
  assert.equal(code, 0);
  const registrars = findings.filter(({ check }) => check === "registrars");
  assert.deepEqual(
    registrars.map(({ state }) => state),
    ["well", "warning"],
    "who has no addresses certified is told of",
  );
  await write(there, `{ key = "${key}", addresses = ["192.0.2.0/33"] }`);
  assert.match((await troubleOf(`authority=${file}`, "configuration")).found, /registrars.*networks/);
  await write(there, '"/nowhere/agent.crt"');
  assert.match((await troubleOf(`authority=${file}`, "authority")).found, /nowhere\/agent\.crt/);
  await write(join(scratch.path, "none"), `"${key}"`);
  assert.match((await troubleOf(`authority=${file}`, "authority")).found, /no authority/);
  const url = 'authority = { url = "https://127.0.0.1:1/RPC2" }\n';
  const config = await changed("agent", "agent-alone.toml", /^/, url);
  const { findings: ofAgent } = await examine({ config: [config] });
  const away = ofAgent.find(({ check }) => check === "authority service");
  assert.equal(away?.state, "warning");
});
