import assert from "node:assert/strict";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { addMember, removeMember } from "#services/agent/registry/membership.ts";
import { Office } from "#services/agent/registry/office.ts";
import { eventually } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { type SliceLab, sliceLab } from "./slice-lab.ts";

/** A machine of bob's, who has nothing there but his key. */
async function bobsMachine(lab: SliceLab) {
  const directory = await temporaryDirectory();
  await lab.registry.addPrincipal({ label: "bob", role: "researcher", certificate: lab.bob.certPem });
  await lab.become("bob");
  await copyFile(join(lab.home, "config.toml"), join(directory.path, "config.toml"));
  await lab.become("alice");
  const slice = (...argv: string[]) => lab.sliceWith({ home: directory.path }, ...argv);
  return { slice, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

test("a colleague's machine adopts a slice: it is entered, renewed and deleted there as by who began it, until put out", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await using bob = await bobsMachine(lab);
  const office = new Office(lab.database, lab.clock);
  const created = await lab.slice("create", "hello", "--nodes", "2", "--lease", "1d");
  assert.equal(created.code, 0, created.err);
  const charged = await lab.charges();

  const stranger = await bob.slice("adopt", "hello");
  assert.equal(stranger.code, 4, stranger.err);
  assert.match(stranger.err, /NOT_PRINCIPAL: you are no member of hello/);
  assert.equal((await bob.slice("adopt", "nothing")).code, 5);
  assert.equal((await bob.slice("list", "-o", "name")).out, "", "what failed leaves nothing behind");

  await addMember(office, "hello", "bob");
  await lab.nodes[1]!.stop();
  const partly = await bob.slice("adopt", "hello", "-o", "json");
  assert.equal(partly.code, 3, partly.err);
  await lab.nodes[1]!.start();
  await eventually(async () => (await bob.slice("adopt", "hello")).code === 0, {
    what: "the rest being adopted, once that node answers again",
  });
  await eventually(async () => (await lab.charges()).length === charged.length, {
    what: "the tickets that only said who is a member being free again",
  });

  const ran = await bob.slice("exec", "hello", "--", "echo", "entered");
  assert.equal(ran.code, 0, ran.err);
  assert.equal(ran.out.match(/entered/g)?.length, 2, "on both nodes, with a key of its own");
  const further = await bob.slice("renew", "hello", "--for", "4d");
  assert.equal(further.code, 0, further.err);
  const both = JSON.parse((await lab.slice("status", "hello", "-o", "json")).out);
  assert.deepEqual(
    both.nodes.map((node: { members: string[] }) => node.members.length),
    [2, 2],
    "who began it still has it, and sees who is in",
  );
  const again = await bob.slice("adopt", "hello");
  assert.deepEqual([again.code, again.err.includes("0 of 0 further nodes")], [0, true], again.err);

  await removeMember(office, "hello", "bob");
  for (const node of lab.nodes) {
    await node.stop();
    await node.start();
  }
  await eventually(
    async () => !/entered/.test((await bob.slice("exec", "hello", "--", "echo", "entered")).out),
    {
      what: "his key being let in by neither node",
    },
  );
  assert.equal((await bob.slice("renew", "hello")).code, 4);
  assert.equal((await bob.slice("delete", "hello")).code, 4);
  assert.equal((await lab.slice("exec", "hello", "--", "true")).code, 0);
  assert.equal((await lab.slice("delete", "hello")).code, 0);
});
