import assert from "node:assert/strict";
import { test } from "node:test";
import type { Advertisement } from "#services/broker/matching/specification.ts";
import { endInTime } from "#services/service-manager/renewal.ts";
import { Backoff } from "#services/service-manager/watching/backoff.ts";
import {
  certificateForewarning,
  holdingForewarnings,
} from "#services/service-manager/watching/forewarning.ts";
import { Notices } from "#services/service-manager/watching/notices.ts";
import type { Lease } from "#shared/model/lease.ts";

const DAY = 86_400;
const NOW = 1_893_456_000; // 2030-01-01

function certificate(daysLeft: number, days = 365) {
  const end = NOW + daysLeft * DAY;
  return { notBefore: new Date((end - days * DAY) * 1000), notAfter: new Date(end * 1000) };
}

const sentences = (notices: readonly { sentence: string }[]) => notices.map(({ sentence }) => sentence);

test("a certificate is said to end two weeks before, once a day, and when it has ended", () => {
  const said = (daysLeft: number, days?: number) =>
    sentences(certificateForewarning(certificate(daysLeft, days), NOW)).join();
  assert.equal(said(14.1), "");
  assert.match(said(13.5), /^your certificate ends at 2030-01-14 12:00:00 UTC, in 13 days; have your key /);
  assert.match(said(1.5), /, in 1 day; /);
  assert.match(said(0.5), /, within a day; /);
  assert.match(said(-1), /^your certificate ended at 2029-12-31 00:00:00 UTC; /);
  assert.equal(said(8, 30), "");
  assert.match(said(7, 30), /in 7 days/);
});

test("a holding that ends before long is said, and one that is there no more; of agents that answered alone", () => {
  const ad = (node: string, heldUntil?: number) => ({ node, heldUntil }) as Advertisement;
  const node = (name: string, agent = "https://one/") => ({
    node: name,
    ip: name,
    sslport: 1,
    site: "",
    agent,
  });
  const nodes = [node("long"), node("short"), node("gone"), node("unsaid"), node("other", "https://two/")];
  const ads = [ad("long", NOW + 100 * DAY), ad("short", NOW + 5 * DAY), ad("unsaid")];
  const advertised = [{ agent: { name: "f".repeat(64), url: "https://one/" }, ads }];
  assert.deepEqual(
    holdingForewarnings(nodes, advertised, DAY, NOW).map(({ node, sentence }) => [node, sentence]),
    [
      ["short", "its agent holds it until 2030-01-06 00:00:00 UTC only, and no renewal reaches further"],
      ["gone", "its agent has nothing of it to give any more, so that it is not renewed for long"],
    ],
  );
  // Two lengths of a long lease have to fit.
  assert.equal(holdingForewarnings([node("long")], advertised, 60 * DAY, NOW).length, 1);
});

test("what lasts is said when it begins and when it changes, and that it is over", () => {
  const notices = new Notices();
  const a = { about: "a", sentence: "one" };
  assert.deepEqual(notices.news([a]), { begun: [a], over: [] });
  assert.deepEqual(notices.news([a]), { begun: [], over: [] });
  const changed = { about: "a", sentence: "two" };
  assert.deepEqual(notices.news([changed]), { begun: [changed], over: [] });
  assert.deepEqual(notices.news([]), { begun: [], over: [changed] });
});

test("what failed is tried again soon, then later, never later than the longest wait, and at once after a success", () => {
  const backoff = new Backoff(10, 40);
  assert.ok(backoff.isDue("x", 0));
  const waits = [];
  for (let uptime = 0, tries = 0; tries < 4; tries++) {
    backoff.failed("x", uptime);
    const from = uptime;
    while (!backoff.isDue("x", uptime)) uptime++;
    waits.push(uptime - from);
  }
  assert.deepEqual(waits, [10, 20, 40, 40]);
  assert.ok(backoff.isDue("y", 0));
  backoff.succeeded("x");
  assert.ok(backoff.isDue("x", 0));
});

test("leases are renewed together, and one that fell behind catches up without moving the others", () => {
  const leases = (...ends: number[]) => ends.map((end) => ({ term: { start: 0, end } }) as Lease);
  const length = 100;
  const endAt = (now: number, ...ends: number[]) => endInTime(leases(...ends), length, now);
  assert.equal(endAt(50, 100, 100), undefined);
  assert.equal(endAt(51, 100, 100), 200);
  assert.equal(endAt(51, 100, 90), 190);
  assert.equal(endAt(51, 200, 100), 200, "the others' end");
  assert.equal(endAt(151, 200, 100), 251, "all are near, and one has ended by now");
  assert.equal(endAt(51, 900, 100), 201, "not as far as another was renewed by hand");
  assert.equal(endAt(51), undefined);
});
