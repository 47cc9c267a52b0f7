import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkAdmission, type Standing } from "#services/node-manager/leases/admission.ts";
import { usedAt } from "#shared/model/account.ts";
import { Fault } from "#shared/model/errors.ts";
import type { PortRange } from "#shared/model/ports.ts";
import { RESOURCE_DIMENSIONS, type Share } from "#shared/model/resources.ts";
import { nodeLab } from "../lab/node-lab.ts";
import { assertRefused } from "../lab/refusal.ts";

const ONE: Share = { cpuMillis: 1, memoryMib: 1, diskMib: 1, egressKbps: 1, slivers: 1 };
const TEN: Share = { cpuMillis: 10, memoryMib: 10, diskMib: 10, egressKbps: 10, slivers: 10 };
const during = { start: 0, end: 100 };

function standing(overrides: Partial<Standing> = {}): Standing {
  return { capacity: TEN, charges: [], accounts: [], reserved: [], taken: [], ...overrides };
}

function outcome(
  charge: { share: Share; during: typeof during },
  ports: PortRange[],
  stands: Standing,
): string {
  try {
    checkAdmission({ charge, ports }, stands);
    return "admitted";
  } catch (error) {
    assert.ok(error instanceof Fault && error.name === "NO_CAPACITY");
    return error.sentence;
  }
}

test("a refusal says whose and which dimension is short, how much is left and when", () => {
  const share = { ...ONE, diskMib: 6 };
  const charges = [{ share: { ...ONE, diskMib: 5 }, during: { start: 40, end: 60 } }];
  assert.match(
    outcome({ share, during }, [], standing({ charges })),
    /^this node's capacity has 5 MiB of disk left at 1970-01-01 00:00:40 UTC, and 6 are asked for/,
  );
  const account = { holding: "abcdef0123456789", limits: [{ share: TEN, during }], charges };
  assert.match(
    outcome({ share, during }, [], standing({ accounts: [account] })),
    /^the holding abcdef012345… has 5 MiB of disk left/,
  );
  assert.equal(outcome({ share, during: { start: 0, end: 40 } }, [], standing({ charges })), "admitted");
});

test("every dimension counts, to the last unit", () => {
  for (const dimension of RESOURCE_DIMENSIONS) {
    const charges = [{ share: { ...ONE, [dimension]: 9 }, during }];
    assert.equal(outcome({ share: ONE, during }, [], standing({ charges })), "admitted");
    assert.notEqual(
      outcome({ share: { ...ONE, [dimension]: 2 }, during }, [], standing({ charges })),
      "admitted",
    );
  }
});

test("ports are nobody's twice, and never the node's own", () => {
  const web: PortRange = { protocol: "tcp", from: 80, to: 90 };
  const within: PortRange = { protocol: "tcp", from: 90, to: 90 };
  const beside: PortRange[] = [
    { protocol: "tcp", from: 91, to: 99 },
    { protocol: "udp", from: 80, to: 90 },
  ];
  const charge = { share: ONE, during };
  assert.match(outcome(charge, [within], standing({ taken: [web] })), /tcp port 90 belongs to another lease/);
  assert.match(
    outcome(charge, [web], standing({ reserved: [within] })),
    /tcp a port of 80 to 90 is kept for the node/,
  );
  assert.equal(outcome(charge, beside, standing({ reserved: [web], taken: [web] })), "admitted");
});

test("whatever is asked for in whatever order, what was admitted never exceeds the capacity at any instant", () => {
  const amount = fc.integer({ min: 0, max: 6 });
  const asked = fc.record({
    share: fc.record({
      cpuMillis: amount,
      memoryMib: amount,
      diskMib: amount,
      egressKbps: amount,
      slivers: fc.constant(1),
    }),
    during: fc
      .tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 20 }))
      .map(([start, length]) => ({ start, end: start + length })),
  });
  fc.assert(
    fc.property(fc.array(asked, { maxLength: 30 }), (demands) => {
      const charges: { share: Share; during: typeof during }[] = [];
      for (const demand of demands) {
        if (outcome(demand, [], standing({ charges })) === "admitted") charges.push(demand);
      }
      for (let instant = 0; instant < 40; instant += 1) {
        const used = usedAt(charges, instant);
        for (const dimension of RESOURCE_DIMENSIONS) assert.ok(used[dimension] <= TEN[dimension]);
        assert.ok(used.slivers <= TEN.slivers);
      }
    }),
  );
});

test("a ticket gets its ports while no other lease has them, and none the node keeps", async () => {
  await using lab = await nodeLab();
  const planned: unknown[] = [];
  lab.backend.ensureFault = async (plan, real) => {
    planned.push(plan.ports);
    await real();
  };
  const ports: PortRange[] = [{ protocol: "tcp", from: 8080, to: 8090 }];
  const first = lab.lease(
    await lab.alice.newlease({ ticketdata: (await lab.ticket({ slice: "first", ports })).text }),
  );
  assert.deepEqual(first.ports, ports);
  assert.deepEqual(planned, [ports], "the engine is told");
  const second = await lab.ticket({ slice: "second", ports: [{ protocol: "tcp", from: 8090, to: 8090 }] });
  await assertRefused(
    lab,
    () => lab.alice.newlease({ ticketdata: second.text }),
    "NO_CAPACITY",
    /belongs to another/,
  );
  const own = Number(new URL(lab.node.url).port);
  for (const from of [own, lab.node.sshPort, 9100, 9199]) {
    const ticket = await lab.ticket({ slice: "third", ports: [{ protocol: "tcp", from, to: from }] });
    await assertRefused(
      lab,
      () => lab.alice.newlease({ ticketdata: ticket.text }),
      "NO_CAPACITY",
      /the node itself/,
    );
  }
  await lab.alice.deletelease({ slice: "first" });
  assert.ok(await lab.alice.newlease({ ticketdata: second.text }));
});
