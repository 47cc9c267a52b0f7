import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { surviveKillAt } from "./lab/kill-scenario.ts";
import { nodeSite, siteKeys } from "./lab/node-process.ts";

/** Everything that is done between a ticket and the end of its lease, in this order. */
const DEEDS = [
  "root signed",
  "lease promised",
  "ensure",
  "sliver made",
  "key added",
  "lease renewed",
  "lease deleted",
  "remove",
  "sliver removed",
];

describe("kill -9 loses nothing that was promised and leaks nothing", () => {
  let keys: Awaited<ReturnType<typeof siteKeys>>;
  before(async () => {
    keys = await siteKeys();
  });

  for (const deed of DEEDS) {
    for (const step of [`before ${deed}`, `after ${deed}`]) {
      test(step, async () => {
        await using site = await nodeSite(keys);
        const reached = await surviveKillAt(site, step);
        // The answer to the deletion waits for this alone: it may have been written.
        assert.ok(reached || step === "after sliver removed");
      });
    }
  }
});
