import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { loadKeyFile } from "#shared/identity/key-file.ts";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";
import { Fault, type FaultName } from "#shared/model/errors.ts";
import { NARROWING } from "#shared/model/narrowing.ts";
import { eventually } from "#test/support/deadline.ts";
import { HOUR, seal } from "#test/support/documents.ts";
import { type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";
import type { NodeClient } from "#test/support/testbed-clients.ts";
import { type TestbedIssuer, testbedIssuer } from "#test/support/testbed-issuer.ts";
import { settledState, stateOf } from "#test/support/testbed-state.ts";
import { alterations } from "./alteration.ts";
import { widerTickets } from "./wider-tickets.ts";

const MINUTE = 60;
const publickey = newSshKeyPair("a test").publicKey;

describe("what is refused changes nothing, and the next call is served:", () => {
  let lab: TestbedProcess;
  let issuer: TestbedIssuer;
  let slices = 0;
  before(async () => {
    lab = await testbedProcess({ nodes: 2 });
    issuer = await testbedIssuer(lab);
  });
  after(() => lab[Symbol.asyncDispose]());

  const alice = (node = 0): NodeClient => lab.clients.alice.nodes[node]!;
  const bob = (node = 0): NodeClient => lab.clients.bob.nodes[node]!;

  async function ticketOf(who: "alice" | "bob", node = 0): Promise<{ slice: string; ticketdata: string }> {
    slices += 1;
    const slice = `${who}${slices}`;
    const ips = [lab.description.nodes[node]!.ip];
    const [ticketdata] = await lab.clients[who].agent.newtickets({ slice, ntickets: 1, leaselen: HOUR, ips });
    return { slice, ticketdata: ticketdata! };
  }

  /** The call is refused by this name and number. */
  async function refused(name: FaultName, call: () => Promise<unknown>): Promise<void> {
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof Fault, `${error}`);
      assert.equal(error.name, name, error.message);
      return true;
    });
    assert.ok(Array.isArray(await alice().getslivers()));
  }

  /** Agent and nodes promise the same after `work` as before it. */
  async function unchanged(work: () => Promise<void>): Promise<void> {
    const before = await settledState(lab);
    await work();
    assert.deepEqual(await stateOf(lab), before);
  }

  /** The ticket can still be used by whom and where it should be. */
  async function stillGood(who: "alice" | "bob", slice: string, ticketdata: string, node = 0): Promise<void> {
    const client = lab.clients[who].nodes[node]!;
    assert.ok(await client.newleasevm({ ticketdata, publickey }));
    assert.equal(await client.deletelease({ slice }), 1);
  }

  test("another principal's ticket, by 300", async () => {
    const { slice, ticketdata } = await ticketOf("alice");
    await unchanged(async () => {
      await refused("NOT_PRINCIPAL", () => bob().newlease({ ticketdata }));
      await refused("NOT_PRINCIPAL", () => bob().newleasevm({ ticketdata, publickey }));
      await refused("NOT_PRINCIPAL", () => bob().canceltickets({ tickets: [ticketdata] }));
      await refused("NOT_PRINCIPAL", () => lab.clients.bob.agent.releasetickets({ tickets: [ticketdata] }));
    });
    await stillGood("alice", slice, ticketdata);
  });

  test("another node's ticket, by 404", async () => {
    const { slice, ticketdata } = await ticketOf("alice", 0);
    await unchanged(() => refused("WRONG_NODE", () => alice(1).newleasevm({ ticketdata, publickey })));
    await stillGood("alice", slice, ticketdata);
  });

  test("a ticket that has expired, or is not valid yet, by 406 and 405", async () => {
    const now = Math.floor(Date.now() / 1000);
    const window = (start: number, end: number) => ({ start: now + start, end: now + end });
    const over = issuer.ticket(0, {
      validity: window(-4 * MINUTE, -1),
      term: window(-4 * MINUTE, -1),
      renewableUntil: now + HOUR,
    });
    const early = issuer.ticket(0, { validity: window(6 * MINUTE, 20 * MINUTE) });
    await unchanged(async () => {
      await refused("EXPIRED", () => alice().newlease({ ticketdata: issuer.signed(0, over) }));
      await refused("NOT_YET_VALID", () => alice().newlease({ ticketdata: issuer.signed(0, early) }));
    });
  });

  test("a ticket with any byte altered", async () => {
    const { slice, ticketdata } = await ticketOf("alice");
    await unchanged(async () => {
      for (const altered of alterations(ticketdata, { every: 9, from: 4 })) {
        await assert.rejects(alice().newlease({ ticketdata: altered.text }), Fault, altered.what);
      }
    });
    await stillGood("alice", slice, ticketdata);
  });

  test("a ticket used again after its lease was deleted, by 407", async () => {
    const { slice, ticketdata } = await ticketOf("alice");
    await stillGood("alice", slice, ticketdata);
    await unchanged(async () => {
      await refused("ALREADY_REDEEMED", () => alice().newlease({ ticketdata }));
      await refused("ALREADY_REDEEMED", () => alice().newleasevm({ ticketdata, publickey }));
    });
  });

  test("a ticket its principal has cancelled, by 407", async () => {
    const { ticketdata } = await ticketOf("alice");
    assert.match(await alice().canceltickets({ tickets: [ticketdata] }), /<state>cancelled<\/state>/);
    await eventually(async () =>
      Object.values(await stateOf(lab)).every(({ tickets }) => tickets.length === 0),
    );
    await unchanged(() => refused("ALREADY_REDEEMED", () => alice().newlease({ ticketdata })));
  });

  test("a holding that is redeemed, a lease that is, by 403", async () => {
    const { ticketdata, slice } = await ticketOf("alice");
    const lease = await alice().newleasevm({ ticketdata, publickey });
    await unchanged(async () => {
      await refused("WRONG_TYPE", () => alice().newlease({ ticketdata: issuer.root(0).text }));
      await refused("WRONG_TYPE", () => alice().newlease({ ticketdata: lease }));
    });
    await alice().deletelease({ slice });
  });

  test("a lease of somebody else in newvm, and everything else done to their slice, by 300", async () => {
    const { slice, ticketdata } = await ticketOf("alice");
    const leasedata = await alice().newleasevm({ ticketdata, publickey });
    await unchanged(async () => {
      await refused("NOT_PRINCIPAL", () => bob().newvm({ leasedata, publickey }));
      await refused("NOT_PRINCIPAL", () => bob().addkey({ slice, key: publickey }));
      await refused("NOT_PRINCIPAL", () => bob().delkey({ slice, key: publickey }));
      await refused("NOT_PRINCIPAL", () => bob().nukekeys({ slice }));
      await refused("NOT_PRINCIPAL", () => bob().renewlease({ slice }));
      await refused("NOT_PRINCIPAL", () => bob().deletelease({ slice }));
      await refused("NOT_PRINCIPAL", () => bob().getstatus({ slice }));
    });
    assert.deepEqual((await alice().getsshkeys({ slice })).keys, [
      publickey.split(" ").slice(0, 2).join(" "),
    ]);
    await alice().deletelease({ slice });
  });

  test("a slice whose name is a path, a second line or a login, by 502", async () => {
    const names = [
      "../../etc",
      "/etc",
      "a/b",
      "a\nb",
      "nice\n",
      "a b",
      "root",
      "a;reboot",
      "$(reboot)",
      "A",
      "",
    ];
    const order = { ntickets: 1, leaselen: HOUR, ips: "0.0.0.0" } as const;
    await unchanged(async () => {
      for (const slice of names) {
        await refused("BAD_NAME", () => lab.clients.alice.agent.newtickets({ ...order, slice }));
        if (slice.trim() !== slice || slice === "") continue; // text in documents is trimmed, and never empty
        const change = (xml: string) => xml.replace("<slice>forged<", `<slice>${slice}<`);
        const ticketdata = issuer.written(0, issuer.ticket(0), change);
        await refused("BAD_NAME", () => alice().newleasevm({ ticketdata, publickey }));
      }
    });
  });

  test("a name that was never leased, in every method that takes one, by 504", async () => {
    const calls = (slice: string) => [
      () => alice().deletelease({ slice }),
      () => alice().renewlease({ slice }),
      () => alice().addkey({ slice, key: publickey }),
      () => alice().getsshkeys({ slice }),
      () => alice().getstatus({ slice }),
    ];
    await unchanged(async () => {
      for (const slice of ["nobody1", "../../etc", "a\nb"]) {
        for (const call of calls(slice)) {
          await assert.rejects(call, (error: Error) => ["NO_SLICE", "BAD_NAME"].includes(error.name));
        }
      }
    });
  });

  test("a ticket that says one more than its parent, in every row of the narrowing table, by 409", async () => {
    const { good, wider } = widerTickets(issuer);
    assert.ok(await alice().newlease({ ticketdata: good }));
    await alice().deletelease({ slice: "forged" });
    await unchanged(async () => {
      for (const { element, how, text: ticketdata } of wider) {
        await assert.rejects(alice().newlease({ ticketdata }), (error: Error) => {
          assert.equal(error.name, "BAD_CHAIN", `${element} (${how}): ${error.message}`);
          return true;
        });
      }
    });
    const elements = new Set(wider.map(({ element }) => element));
    assert.deepEqual(new Set(NARROWING.map(({ element }) => element)).difference(elements), new Set());
  });

  test("a ticket signed by whoever holds nothing, by 401", async () => {
    const own = await loadKeyFile(lab.description.principals.alice!.key);
    const { lineage } = issuer.root(0);
    const ticket = issuer.ticket(0, { issuer: own.public.name });
    const ticketdata = seal(ticket, own, lineage).text;
    await unchanged(() => refused("UNKNOWN_KEY", () => alice().newlease({ ticketdata })));
  });

  test("nothing, when one ticket is redeemed 64 times at once: one sliver, 64 times the same lease", async () => {
    const before = await settledState(lab);
    const { slice, ticketdata } = await ticketOf("alice");
    const calls = Array.from({ length: 64 }, () => alice().newleasevm({ ticketdata, publickey }));
    const leases = new Set(await Promise.all(calls));
    assert.equal(leases.size, 1);
    const { "127.0.1.1": first } = await settledState(lab);
    assert.deepEqual(first!.leases, [...leases]);
    assert.deepEqual(first!.slivers, [slice]);
    assert.equal((await alice().getstatus({ slice })).state, "running");
    await alice().deletelease({ slice });
    assert.deepEqual(await settledState(lab), before);
  });
});
