import assert from "node:assert/strict";
import { test } from "node:test";
import { runInGuest, withoutGuest } from "#test/support/guest/guest.ts";

const FILES = ["container-contract", "container-isolation"];

test("the container engine keeps its promises where there are cgroups of version 2 alone", {
  skip: await withoutGuest(),
}, async () => {
  const here = FILES.map((name) => `test/services/node-manager/backends/${name}.test.ts`);
  const { console: said, code } = await runInGuest(here);
  assert.equal(code, 0, said);
  // A run that skipped everything would have ended well, too.
  assert.ok(Number(/^# pass (\d+)$/m.exec(said)?.[1]) > 20, said);
});
