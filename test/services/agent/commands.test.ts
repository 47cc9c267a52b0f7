import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { runAgent } from "#services/agent/commands.ts";
import { testAuthority, writeIdentity } from "../../support/authority.ts";
import { fixedClock } from "../../support/clock.ts";
import { testDatabase } from "../../support/database.ts";
import { temporaryDirectory } from "../../support/directory.ts";
import { NOW } from "../../support/documents.ts";

test("an administrator decides who is known, on the database itself", async () => {
  await using owned = await testDatabase();
  await using directory = await temporaryDirectory();
  const authority = await testAuthority();
  const [alice, node] = await Promise.all([authority.client("alice"), authority.server("node")]);
  const files = { alice: join(directory.path, "alice.crt"), node: join(directory.path, "node.crt") };
  await writeFile(files.alice, alice.certPem);
  await writeFile(files.node, node.certPem);
  let out = "";
  let err = "";
  const run = async (line: string, ...more: string[]) => {
    out = "";
    err = "";
    const terminal = {
      out: (text: string) => {
        out += text;
      },
      err: (text: string) => {
        err += text;
      },
      env: { DATABASE_URL: owned.url },
      clock: fixedClock(NOW),
    };
    return await runAgent([...line.split(" "), ...more], terminal);
  };

  assert.equal(await run("site add princeton"), 0);
  assert.equal(await run("site add princeton"), 1);
  assert.match(err, /site of that name already/);
  const add = "principal add --name alice --role researcher --site princeton --certificate";
  assert.equal(await run(add, files.alice), 0);
  assert.equal(out.trim(), alice.name);
  assert.equal(await run(add, files.alice), 1);
  assert.match(err, /registered already/);
  assert.equal(await run("principal add --name bob --role emperor --certificate", files.alice), 2);
  assert.equal(await run("principal add --name ../bob --role pi --certificate", files.node), 1);
  assert.match(err, /a name is up to/);

  const where =
    "--site princeton --latitude 40.35 --longitude -74.66 --country us --region us-east --tag rack=3";
  assert.equal(await run(`node add --ip 10.77.0.1 ${where} --certificate`, files.node), 0);
  assert.equal(await run("node list -o json"), 0);
  assert.deepEqual(JSON.parse(out), [
    {
      node: node.name,
      label: "10.77.0.1",
      ip: "10.77.0.1",
      site: "princeton",
      suspended: false,
      heard: null,
      drained: null,
      retired: null,
      overbooking: null,
    },
  ]);
  assert.equal(await run("node suspend 10.77.0.1"), 0);
  assert.equal(await run("node list"), 0);
  assert.match(
    out,
    /^NAME +ADDRESS +SITE +KEY +STATUS +OVERBOOKING +HEARD\n10\.77\.0\.1 .*suspended +- +never\n$/,
  );
  assert.equal(await run("node add --ip 010.77.0.1 --name other --certificate", files.node), 1);
  assert.match(err, /not an IP address/);

  const grant =
    "privilege grant alice --type administrative --nodes 3 --lease-seconds 60 --capability CAP_NET_RAW";
  assert.equal(await run(grant), 0);
  const id = out.trim();
  assert.equal(await run("privilege list"), 0);
  assert.match(out, /alice +administrative +3 +60 +120 +- +CAP_NET_RAW/);
  assert.equal(await run(`privilege withdraw ${id}`), 0);
  assert.equal(await run(`privilege withdraw ${id}`), 1);
  assert.equal(await run("privilege grant nobody --nodes 1 --lease-seconds 60"), 1);
  assert.match(err, /no principal "nobody"/);
  assert.equal(await run("privilege grant alice --nodes 1 --lease-seconds 60 --renewable-seconds 59"), 1);
  assert.match(err, /at least as long/);
  assert.equal(await run("site list"), 0);
  assert.match(out, /princeton +1 +1/);
  assert.equal(await run("principal list -o json"), 0);
  assert.equal(JSON.parse(out).length, 2);

  for (const [command, state] of [
    ["resume", /active/],
    ["drain", /drained/],
    ["retire", /retired/],
    ["resume", /active/],
    ["overbook 10.77.0.1 1500", /active +1500/],
    ["overbook 10.77.0.1 default", /active +-/],
  ] as const) {
    assert.equal(await run(command.includes(" ") ? `node ${command}` : `node ${command} 10.77.0.1`), 0);
    assert.equal(await run("node list"), 0);
    assert.match(out, state, command);
  }
  assert.equal(await run("node overbook 10.77.0.1 999"), 2);
  assert.equal(await run("node drain 10.1.1.1"), 1);
  assert.match(err, /no node "10.1.1.1"/);

  assert.equal(await run("quota set --principal alice --slices 3 --memory-mib 4096"), 0);
  assert.equal(await run("quota set --site princeton --slivers 0"), 0);
  assert.equal(await run("quota list"), 0);
  assert.match(out, /^site princeton +- +- +- +0 /m);
  assert.match(out, /^alice +3 +- +- +- +- +4096 /m);
  assert.equal(await run("quota set --slices 3"), 1);
  assert.match(err, /--principal or --site/);
  assert.equal(await run("quota set --site princeton"), 1);
  assert.match(err, /say what is limited/);
  assert.equal(await run("quota remove --site princeton"), 0);
  assert.equal(await run("quota remove --site princeton"), 1);

  const server = await authority.server("agent");
  const { key, cert, ca } = await writeIdentity(directory.path, "agent", server.tls);
  const config = join(directory.path, "agent.toml");
  const identity = `[identity]\nkey = "${key}"\ncertificate = "${cert}"\nauthority = "${ca}"\n`;
  await writeFile(config, `database = "${owned.url}"\nticket_key = "${directory.path}/t.key"\n${identity}`);
  const audit = (line: string) => run(`audit ${line} --config`, config);
  assert.equal(await audit("list --count 2"), 0);
  assert.match(out, /operator +set quota +ok .*\n.*operator +remove quota +ok +\{"site": "princeton"\}\n$/);
  assert.equal(await audit("head"), 0);
  const head = out.trim();
  assert.equal(await run("node drain 10.77.0.1"), 0);
  assert.equal(await audit(`verify --head ${head}`), 0);
  const [position] = head.split(":");
  assert.equal(out.split(":")[0], String(Number(position) + 1));
  assert.equal(await audit(`verify --head ${head.replace(/.{8}$/, "00000000")}`), 1);
  assert.match(err, /has another hash than the head that was noted/);
});

test("a command that does not know which agent it is for says so", async () => {
  let err = "";
  const terminal = {
    out: () => undefined,
    err: (text: string) => {
      err += text;
    },
    env: {},
    clock: fixedClock(NOW),
  };
  assert.equal(await runAgent(["node", "list"], terminal), 1);
  assert.match(err, /--config/);
  assert.equal(await runAgent(["node", "list", "--config", "/nowhere/agent.toml"], terminal), 1);
  assert.match(err, /cannot be read/);
  assert.equal(await runAgent(["conquer"], terminal), 2);
});
