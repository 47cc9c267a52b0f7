import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { runAgent } from "#services/agent/commands.ts";
import { testAuthority } from "../../support/authority.ts";
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
  assert.match(out, /^NAME +ADDRESS +SITE +KEY +STATUS +HEARD\n10\.77\.0\.1 .*suspended +never\n$/);
  assert.equal(await run("node add --ip 010.77.0.1 --name other --certificate", files.node), 1);
  assert.match(err, /not an IP address/);

  const grant =
    "privilege grant alice --type administrative --nodes 3 --lease-seconds 60 --capability CAP_NET_RAW";
  assert.equal(await run(grant), 0);
  const id = out.trim();
  assert.equal(await run("privilege list"), 0);
  assert.match(out, /alice +administrative +3 +60 +120 +withdrawn +CAP_NET_RAW/);
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
