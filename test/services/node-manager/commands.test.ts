import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse, stringify } from "smol-toml";
import { runNodeManager, stopSlivers } from "#services/node-manager/commands.ts";
import { loadNodeManagerConfig } from "#services/node-manager/config.ts";
import { ConfigError } from "#shared/runtime/config.ts";
import { eventually } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runProgram } from "#test/support/program.ts";
import { nodeLab } from "./lab/node-lab.ts";
import { nodeSite, siteKeys } from "./lab/node-process.ts";

const PROGRAM = fileURLToPath(new URL("../../../bin/slicelab", import.meta.url));
const CAPACITY = { cpu_millis: 1000, memory_mib: 1000, disk_mib: 1000, egress_kbps: 1000, slivers: 10 };
const AGENT = { identity: "a".repeat(64), url: "https://127.0.0.1:7001/RPC2" };
const LEAST = {
  ...{ ip: "127.0.1.1", state: "/tmp/never-made", engines: ["simulated"], capacity: CAPACITY },
  identity: { key: "node.key", certificate: "node.crt", authority: "ca.pem" },
};

async function told(argv: readonly string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await runNodeManager(argv, { out: (t) => out.push(t), err: (t) => err.push(t), env: {} });
  return { code, out: out.join(""), err: err.join("") };
}

async function configured(options: object) {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "node.toml");
  await writeFile(file, stringify(options));
  return loadNodeManagerConfig({ file });
}

test("a configuration says little and means much: ports, addresses and shares have defaults", async () => {
  const config = await configured({ ...LEAST, agents: [AGENT, { ...AGENT, identity: "b".repeat(64) }] });
  assert.equal(config.host, "127.0.1.1");
  assert.deepEqual(config.ports, { tls: 8001, web: 8002, ssh: 8022, slicestat: 3100 });
  assert.deepEqual(
    config.agents.map(({ share }) => share.memoryMib),
    [500, 500],
    "together never more than there is",
  );
  assert.ok(Object.isFrozen(config));
});

test("images are names or have a source and a digest, each once, and the guide's examples are configurations", async () => {
  const web = { name: "web", source: "oci:/srv/web:1", digest: `sha256:${"0".repeat(64)}` };
  const images = ["debian-12", web];
  const config = await configured({ ...LEAST, images, image_limit_mib: 10 });
  assert.deepEqual(config.images, images);
  assert.equal(config.imageLimits?.bytes, 10 * 1024 * 1024);
  for (const wrong of [
    ["web", web],
    [{ ...web, source: "ftp://x" }],
    [{ ...web, digest: "0" }],
    [{ name: "web" }],
    [],
  ]) {
    await assert.rejects(configured({ ...LEAST, images: wrong }), ConfigError);
  }
  const guide = await readFile(new URL("../../../docs/guides/images.md", import.meta.url), "utf8");
  for (const [, toml] of guide.matchAll(/```toml\n(.*?)```/gs)) {
    const shown = parse(toml!.replaceAll("sha256:…", web.digest));
    assert.ok((await configured({ ...LEAST, ...shown })).images!.length > 1);
  }
});

test("the configuration that the reference shows is one, and so are the options it names", async () => {
  const reference = await readFile(
    new URL("../../../docs/reference/node-manager.md", import.meta.url),
    "utf8",
  );
  const [, toml] = /```toml\n(.*?)```/s.exec(reference)!;
  const shown = parse(toml!.replace("8051c457…", "8051c457".repeat(8)));
  const config = await configured({ ...shown, ports: { plain: 8000 }, host: "0.0.0.0", images: ["busybox"] });
  assert.deepEqual(
    [config.ip, config.ports.plain, config.agents[0]?.share.memoryMib],
    ["10.77.0.1", 8000, 8192],
  );
});

test("a configuration that can't be meant is refused in words", async () => {
  const wrong: [object, RegExp][] = [
    [{ ...LEAST, engines: [] }, /engines/],
    [{ ...LEAST, engines: ["vmware"] }, /engines/],
    [{ ...LEAST, ip: "node1" }, /ip: must be an IP address/],
    [{ ...LEAST, capacity: { ...CAPACITY, memory_mib: -1 } }, /capacity\.memory_mib/],
    [{ ...LEAST, agents: [{ ...AGENT, url: "http://127.0.0.1:7000/" }] }, /agents/],
    [{ ...LEAST, agents: [{ ...AGENT, identity: "agent" }] }, /64 hex digits/],
    [{ ...LEAST, reserved_ports: [{ protocol: "tcp", from: 90, to: 80 }] }, /must not end before it begins/],
    [{ ...LEAST, colour: "blue" }, /colour is not an option/],
  ];
  for (const [options, sentence] of wrong) {
    await assert.rejects(
      configured(options),
      (error) => error instanceof ConfigError && sentence.test(error.message),
    );
  }
});

test("commands that are not right are told apart from those that can't be done", async () => {
  assert.equal((await told(["--help"])).code, 0);
  assert.match((await told(["--help"])).out, /serve.*stop-slivers.*disown-roots/s);
  assert.equal((await told(["serve"])).code, 2);
  assert.equal((await told(["dance"])).code, 2);
  const missing = await told(["stop-slivers", "--config", "/nowhere/node.toml"]);
  assert.equal(missing.code, 1);
  assert.match(missing.err, /^slicelab node-manager: \/nowhere\/node.toml cannot be read/);
});

test("slicelab node-manager serve runs the node manager, and says so when it can't", async () => {
  const { code, err, out } = await runProgram(PROGRAM, [
    "node-manager",
    "stop-slivers",
    "--config",
    "/nowhere",
  ]);
  assert.deepEqual([code, out], [1, ""]);
  assert.match(err, /\/nowhere cannot be read/);
});

test("slivers are stopped with their disks kept while no node manager serves, and started again by the next", async () => {
  await using lab = await nodeLab();
  await assert.rejects(stopSlivers(lab.config), /in use by another node manager/);
  const { sliver } = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  await lab.stop();
  assert.equal(await stopSlivers(lab.config, [lab.backend]), 1);
  assert.deepEqual(await lab.backend.list(), [{ id: sliver, state: "stopped" }]);
  await lab.start();
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.backend.list(), [{ id: sliver, state: "running" }]);
});

test("a node manager that is asked to stop ends with 0 and leaves its slivers running", async () => {
  await using site = await nodeSite(await siteKeys());
  const node = (await site.start())!;
  assert.equal((await fetch(node.webUrl)).status, 200);
  await eventually(() => site.agent.settled.length > 0);
  node.kill("SIGTERM");
  assert.equal(await node.ended, "exit code 0");
  const again = (await site.start())!;
  assert.deepEqual(await again.alice.getleases(), []);
});
