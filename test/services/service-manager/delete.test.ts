import assert from "node:assert/strict";
import { test } from "node:test";
import { readSlice, sliceNames } from "#services/service-manager/journal/slice-state.ts";
import { assertExactly } from "./exactness.ts";
import { hostileNode } from "./hostile-node.ts";
import { sliceLab } from "./slice-lab.ts";

test("a node that is down makes a deletion partial, and the next run finishes it", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  assert.equal((await lab.slice("create", "hello", "--nodes", "3")).code, 0);
  await lab.nodes[0]!.stop();
  const partial = await lab.slice("delete", "hello");
  assert.equal(partial.code, 3, partial.err);
  assert.match(partial.err, /127\.0\.7\.1: UNREACHABLE/);
  const state = await readSlice(lab.home, "hello");
  assert.deepEqual([state?.record.phase, [...state!.leases.keys()]], ["deleting", [lab.nodes[0]!.name]]);

  const create = await lab.slice("create", "hello");
  assert.equal(create.code, 1);
  assert.match(create.err, /is being deleted; finish that with slice delete hello/);

  await lab.nodes[0]!.start();
  assert.equal((await lab.slice("delete", "hello")).code, 0);
  assert.deepEqual(await sliceNames(lab.home), []);
  await assertExactly(lab, "hello", 0);
});

test("a lease its node knows nothing of any more counts as deleted", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2");
  // As a shell asks for what it completes: of what is kept here, whatever its nodes have done meanwhile.
  assert.equal((await lab.slice("completion", "words", "slices")).out, "hello\n");
  const { out: nodes } = await lab.slice("completion", "words", "nodes", "hello");
  assert.deepEqual(nodes.trim().split("\n").sort(), lab.nodes.map(({ ip }) => ip).sort());
  assert.equal((await lab.slice("completion", "words", "nodes", "../hello")).out, "");
  await lab.nodes[0]!.client.deletelease({ slice: "hello" });
  assert.equal((await lab.slice("delete", "hello")).code, 0);
  await assertExactly(lab, "hello", 0);
});

test("a deletion does not hit a lease that came after the one it means", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  const [node] = lab.nodes;
  await lab.slice("create", "hello");
  await node!.client.deletelease({ slice: "hello" });
  const second = await lab.agentClient.newtickets({
    slice: "hello",
    ntickets: 1,
    leaselen: 3600,
    ips: [node!.ip],
  });
  await node!.client.newlease({ ticketdata: second[0]! });
  assert.equal((await lab.slice("delete", "hello")).code, 0);
  assert.equal((await node!.leases()).length, 1, "the successor lives");
});

test("unredeemed tickets are given back, so that the agent counts nothing any more", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.nodes[1]!.stop();
  assert.equal((await lab.slice("create", "hello", "--nodes", "2")).code, 3);
  await lab.nodes[1]!.start();
  assert.equal((await lab.slice("delete", "hello")).code, 0);
  await assertExactly(lab, "hello", 0);
  assert.deepEqual(await lab.agentClient.gettickets(), []);
});

test("a sliver whose lease never reached us is ended by what its node says of the ticket", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  const lost = lab.nodes[1]!;
  const address = { ip: lost.ip, port: Number(new URL(lost.manager.url).port) };
  await lost.stop();
  {
    await using hostile = await hostileNode(lost.identity, address);
    hostile.behaviour = ({ response }) => response.destroy();
    assert.equal((await lab.slice("create", "hello", "--nodes", "2")).code, 3);
  }
  await lost.start();
  // The ticket was redeemed after all: as if the answer had got lost.
  const ticket = [...(await readSlice(lab.home, "hello"))!.tickets.values()][0]!;
  await lost.client.newlease({ ticketdata: ticket.text });
  assert.equal(lost.backend.slivers.size, 1);
  assert.equal((await lab.slice("delete", "hello")).code, 0);
  await assertExactly(lab, "hello", 0);
});

test("a deletion needs no agent when every node says what became of its ticket", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.nodes[1]!.stop();
  await lab.slice("create", "hello", "--nodes", "2");
  await lab.nodes[1]!.start();
  await lab.stopAgent();
  const { code, err } = await lab.slice("delete", "hello");
  assert.equal(code, 0, err);
  assert.deepEqual(await sliceNames(lab.home), []);
  await lab.startAgent();
});

test("a node that never comes back keeps a slice undeleted only until its lease has ended", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2", "--lease", "1d");
  await lab.nodes[1]!.stop();
  assert.equal((await lab.slice("delete", "hello")).code, 3);
  lab.clock.advance(86_400);
  assert.equal((await lab.slice("delete", "hello")).code, 0);
  assert.deepEqual(await sliceNames(lab.home), []);
});

test("only the key a slice was made with can delete it", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  await lab.slice("create", "hello");
  await lab.become("bob");
  const { code, err } = await lab.slice("delete", "hello");
  assert.equal(code, 4, err);
  assert.match(err, /was made with the key/);
  assert.equal((await lab.nodes[0]!.leases()).length, 1);
});
