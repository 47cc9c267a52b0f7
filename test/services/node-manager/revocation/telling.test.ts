import assert from "node:assert/strict";
import { test } from "node:test";
import { ToldEndings, tellEndings } from "#services/node-manager/revocation/telling.ts";
import { openRevocations } from "#shared/wire/revocation-document.ts";
import { encodeCall } from "#shared/wire/xmlrpc/encode.ts";
import { REQUEST_LIMITS } from "#shared/wire/xmlrpc/value.ts";
import { KEYS, NOW } from "#test/support/documents.ts";
import { revocationsBy } from "#test/support/revocations.ts";

test("an agent is told of as many ended leases as a list names, in calls that it takes", async () => {
  const serials = Array.from({ length: 3500 }, (_, at) => at.toString(16).padStart(32, "0"));
  const list = openRevocations(revocationsBy(KEYS.node, 1, { lease: serials }), KEYS.node.public, "node");
  const agent = "a".repeat(64);
  const ticket = { principal: agent, spentBy: "redemption", agent, keepUntil: NOW } as const;
  const told: string[] = [];
  await tellEndings(
    {
      store: { tickets: { ofLease: (lease) => [{ ...ticket, lease, id: lease.repeat(2) }] } },
      ownList: { current: () => list },
      grant: { agent },
      client: {
        async postendings(endings) {
          assert.ok(encodeCall("postendings", [endings]).length < REQUEST_LIMITS.maxBytes);
          told.push(...endings.leases.map(({ lease }) => lease));
          return 1;
        },
      },
    },
    new ToldEndings(),
    new AbortController().signal,
  );
  assert.deepEqual(told, serials);
});
