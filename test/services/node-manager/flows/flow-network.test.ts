import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { FlowWatch, type FlowWatchDeps } from "#services/node-manager/flows/flow-watch.ts";
import { FlowRecords } from "#services/node-manager/store/flow-records.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { somePlan } from "#test/contract/backend.ts";
import { fixedClock } from "#test/support/clock.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { NOW } from "#test/support/documents.ts";
import { engineProbe, eventually } from "../backends/container-bench.ts";
import {
  Greeter,
  NetworkLab,
  NODE_ADDRESS,
  OUTSIDE_ADDRESS,
  type Remote,
  reaches,
  within,
} from "../backends/container-network-lab.ts";

const probe = await engineProbe();
const SERVED = { protocol: "tcp", from: Greeter.port, to: Greeter.port } as const;

describe("flows of real slivers", { skip: !probe.ok && probe.reason }, () => {
  const [server, client] = [somePlan({ ports: [SERVED] }), somePlan()];
  let lab: NetworkLab;
  let remote: Remote;

  before(async () => {
    lab = await NetworkLab.make();
    remote = lab.open({ address: NODE_ADDRESS });
    for (const plan of [server, client]) await remote.ask("ensure", plan);
  });
  after(async () => {
    for (const plan of [server, client]) await remote.ask("remove", plan.id);
    await remote.kill();
    await lab[Symbol.asyncDispose]();
  });

  test("are recorded under whoever sent and whoever received them, by the port that the world saw", async () => {
    await using directory = await temporaryDirectory();
    using records = FlowRecords.open(directory.path);
    const addresses = new Map(await remote.ask<[string, string][]>("addresses"));
    const ofSliver = (id: string) => ({ slice: id, principal: "", serial: id });
    using watch = new FlowWatch({
      ...{ store: { leases: { ofSliver } }, engines: [{ addresses: () => addresses }] },
      ...{ records, time: fixedClock(NOW), log: silentLog() },
      conntrack: ["nsenter", `--net=${lab.node}`, "conntrack"],
    } as unknown as FlowWatchDeps);
    await using outside = await Greeter.start(lab.outside);
    await using inside = await Greeter.start(await lab.inside(server));
    const during = { protocol: "tcp", from: NOW - 60, until: NOW + 60 } as const;
    const seenBy = (port: number, address?: string) => {
      watch.flush();
      const found = records.find({ ...during, port, remote: address });
      return found.map(({ slice, sent, remote: other }) => ({ slice, sent, other }));
    };

    const leavingBy = async (port: number) => {
      const range = `echo ${port} ${port} > /proc/sys/net/ipv4/ip_local_port_range`;
      within(await lab.inside(client), "sh", "-c", range);
    };
    await leavingBy(45_001);
    await remote.sh(client, `nc -w 1 ${OUTSIDE_ADDRESS} ${Greeter.port} < /dev/null`);
    await eventually("what it sent is recorded", async () => seenBy(45_001).length > 0);
    assert.deepEqual(seenBy(45_001), [{ slice: client.id, sent: true, other: OUTSIDE_ADDRESS }]);

    assert.equal(reaches(lab.outside, NODE_ADDRESS), true);
    const received = () => seenBy(Greeter.port, OUTSIDE_ADDRESS);
    await eventually("what it received is recorded", async () => received().length > 0);
    assert.deepEqual(received(), [{ slice: server.id, sent: false, other: OUTSIDE_ADDRESS }]);

    await leavingBy(45_002);
    await remote.sh(client, `nc -w 1 ${NODE_ADDRESS} ${Greeter.port} < /dev/null`);
    await eventually("what neighbours say is recorded", async () => seenBy(45_002).length > 0);
    assert.deepEqual(seenBy(45_002), [{ slice: client.id, sent: true, other: NODE_ADDRESS }]);
    assert.equal(seenBy(Greeter.port).length, 2, "of both of them");
    assert.deepEqual(seenBy(45_003), [], "and nobody is named for what nobody did");
    assert.ok(outside.callers.length + inside.callers.length >= 3);
  });
});
