import assert from "node:assert/strict";
import { test } from "node:test";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";
import { Fault } from "#shared/model/errors.ts";
import { HOUR } from "#test/support/documents.ts";
import { testbedProcess } from "#test/support/testbed.ts";
import { settledState } from "#test/support/testbed-state.ts";
import { alterations, WAYS } from "./alteration.ts";

test("a ticket with any one byte altered in any of three ways is refused over the wire, and changes nothing", async () => {
  await using lab = await testbedProcess({ nodes: 1 });
  const { agent, nodes } = lab.clients.alice;
  const node = nodes[0]!;
  const [ticketdata] = await agent.newtickets({ slice: "soak", ntickets: 1, leaselen: HOUR, ips: "0.0.0.0" });
  const before = await settledState(lab);
  const faults = new Map<string, number>();
  for (const way of WAYS) {
    for (const { text, what } of alterations(ticketdata!, { way })) {
      await assert.rejects(node.newlease({ ticketdata: text }), (error: Error) => {
        assert.ok(error instanceof Fault, `${what}: ${error}`);
        faults.set(error.name, (faults.get(error.name) ?? 0) + 1);
        return true;
      });
    }
  }
  assert.deepEqual(await settledState(lab), before);
  console.log(`refused altered tickets: ${JSON.stringify(Object.fromEntries(faults))}`);
  const { publicKey: publickey } = newSshKeyPair("a test");
  assert.ok(await node.newleasevm({ ticketdata: ticketdata!, publickey }));
});
