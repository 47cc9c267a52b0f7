import assert from "node:assert/strict";
import { test } from "node:test";
import { shortages } from "#services/agent/pages/shortage.ts";
import type { SliceTicketFate } from "#services/agent/store/inspection/fates.ts";

const NOW = 1_000_000;

/** A ticket of the slice on a node, an hour old, redeemed and heard of, unless something else is said. */
function fate(node: string, other: Partial<SliceTicketFate> = {}): SliceTicketFate {
  return {
    ...{
      slice: "dns",
      node,
      ip: node,
      state: "redeemed",
      issued: NOW - 3600,
      validTo: NOW - 60,
      to: NOW + 3600,
    },
    ...{ released: null, settled: NOW - 3500, withdrawn: null, heard: NOW - 5 },
    ...other,
  };
}

/** "live/asked: node why, …" of the only slice; nothing where nothing is missing. */
function short(...fates: SliceTicketFate[]): string {
  return shortages(fates, NOW)
    .map(
      ({ live, asked, lost }) => `${live}/${asked}: ${lost.map(({ ip, why }) => `${ip} ${why}`).join(", ")}`,
    )
    .join("; ");
}

test("a slice is short of nodes that are silent, that nobody redeemed in time, or whose lease ended early", () => {
  assert.equal(short(fate("a"), fate("b")), "");
  assert.equal(short(fate("a"), fate("b", { heard: NOW - 600 })), "1/2: b silent: heard 10 min ago");
  assert.equal(short(fate("a"), fate("b", { heard: null })), "1/2: b was never heard");
  assert.equal(
    short(fate("a"), fate("b", { state: "issued", settled: null })),
    "1/2: b its ticket was not redeemed in time",
  );
  assert.equal(
    short(fate("a"), fate("b", { state: "unredeemed", settled: NOW - 9 })),
    "1/2: b its ticket was never redeemed",
  );
  assert.equal(
    short(fate("a"), fate("b", { state: "ended", settled: NOW - 9 })),
    "1/2: b its lease was ended before its time",
  );
  assert.equal(
    short(fate("a"), fate("b", { state: "ended", settled: NOW - 9, withdrawn: NOW - 11 })),
    "1/2: b its node's owner ended the lease",
  );
});

test("it is not short of what can still be redeemed, was given back, has been replaced, or was another's", () => {
  assert.equal(short(fate("a"), fate("b", { state: "issued", settled: null, validTo: NOW + 60 })), "");
  assert.equal(short(fate("a"), fate("b", { state: "cancelled", released: NOW - 99, settled: NOW - 9 })), "");
  assert.equal(short(fate("a"), fate("b", { heard: NOW - 600 }), fate("c", { issued: NOW - 300 })), "");
  const before = { state: "ended", settled: NOW - 7200, issued: NOW - 9000 } as const;
  assert.equal(short(fate("a"), fate("b", before), fate("c", before)), "");
  // Renewed by a ticket after one that came to nothing.
  assert.equal(short(fate("a"), fate("a", { state: "unredeemed" })), "");
});

test("each newcomer makes up for one loss, and a slice of which nothing is left has ended", () => {
  const silent = { heard: NOW - 600 };
  assert.equal(
    short(fate("a"), fate("b", silent), fate("c", silent), fate("d", { issued: NOW - 60 })),
    "2/3: c silent: heard 10 min ago",
  );
  assert.equal(short(fate("a", { state: "ended" }), fate("b", { state: "ended" })), "");
});
