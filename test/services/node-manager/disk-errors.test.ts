import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { eventually, within } from "#test/support/deadline.ts";
import { DAY, HOUR, sealedSliceTicket, serial } from "#test/support/documents.ts";
import { machinesIn } from "./lab/directory-backend.ts";
import { nodeSite, siteKeys } from "./lab/node-process.ts";

const traces = spawnSync("strace", ["-qq", "-e", "trace=none", "true"]).status === 0;
const without = { skip: traces ? false : "strace can't be used here (npm run setup installs it)" };

/** Lets a system call on the store fail from its `nth` on; strace counts over the whole life of the process. */
function failing(state: string, call: string, error: string, nth: number): string[] {
  const paths = ["node.sqlite", "node.sqlite-wal"].flatMap((name) => ["-P", join(state, name)]);
  const inject = `inject=${call}:error=${error}:when=${nth}+`;
  return ["strace", "-f", "-qq", "-o", "/dev/null", ...paths, "-e", `trace=${call}`, "-e", inject];
}

test(
  "when the disk fails in a commit nothing is answered and the process ends; the next one finds out",
  without,
  async (t) => {
    const keys = await siteKeys();
    for (const [call, error] of [
      ["fsync", "EIO"],
      ["pwrite64", "ENOSPC"],
    ] as const) {
      await t.test(`${call}: ${error}`, async () => {
        await using site = await nodeSite(keys);
        const healthy = (await site.start())!; // makes the store and gives the root
        const now = Math.floor(Date.now() / 1000);
        const root = await site.agent.root();
        const ticketOf = (slice: string, number: number) =>
          sealedSliceTicket(root, {
            ...{ slice, serial: serial(number), renewableUntil: now + 2 * DAY },
            ...{ validity: { start: now, end: now + HOUR }, term: { start: now, end: now + DAY } },
          });
        const kept = await healthy.alice.newlease({ ticketdata: ticketOf("kept", 1).text });
        await healthy[Symbol.asyncDispose]();

        const sick = (await site.startUnder(failing(site.state, call, error, 30)))!;
        const told: string[] = [];
        const ask = async () => {
          for (let i = 0; i < 60; i += 1) {
            told.push(await sick.alice.newlease({ ticketdata: ticketOf(`slice${i}`, 2 + i).text }));
            await sick.alice.deletelease({ slice: `slice${i}` });
          }
        };
        await assert.rejects(ask, (failure) => failure instanceof TransportError && failure.mayHaveHappened);
        assert.match(await within(sick.ended), /exit code 70/);

        const next = (await site.start())!;
        const leases = await next.alice.getleases();
        assert.ok(leases.includes(kept), "what was promised before is there");
        assert.ok(leases.length <= 2, "and of the last call at most what it asked for");
        await eventually(
          async () => machinesIn(site.machines).length === (await next.alice.getleases()).length,
        );
      });
    }
  },
);
