import assert from "node:assert/strict";
import { test } from "node:test";
import { HostTable } from "#services/resource-monitor/host-table.ts";
import { MetadataRequests } from "#services/resource-monitor/metadata-requests.ts";
import type { Packet } from "#shared/wire/ganglia/packet.ts";
import type { Teller } from "#shared/wire/ganglia/teller.ts";
import { eventually } from "#test/support/deadline.ts";

const OF = { ip: "10.0.0.1", name: "h" };
const TABLE = { hosts: 10, metricsOfHost: 1000, bytes: 1_000_000, forgetSeconds: 600 };

test("a flood of values without meaning makes no more than a hundred requests a second", async () => {
  const rounds: Packet[][] = [];
  const teller: Pick<Teller, "tell"> = { tell: async (_, packets) => void rounds.push([...packets()]) };
  const table = new HostTable(TABLE);
  const targets = [{ host: "127.0.0.1", port: 1 }];
  await using requests = new MetadataRequests({ table, teller, targets, uptime: () => 0 });
  for (let i = 0; i < 1000; i += 1) {
    const id = { host: "10.0.0.1:h", name: `m${i}`, spoof: true };
    table.record(OF, { kind: "value", id, as: "string", format: "%s", value: "1" }, 0);
    requests.heard(OF, id);
  }
  await eventually(() => rounds.length > 0);
  assert.deepEqual([rounds[0]?.length, requests.count], [100, 100]);
  assert.ok(rounds[0]?.every(({ kind, id }) => kind === "request" && id.host === "10.0.0.1:h"));
});
