import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { NARROWING } from "#shared/model/narrowing.ts";
import { writeLease } from "#shared/wire/lease-document.ts";
import { writeRequest } from "#shared/wire/request-document.ts";
import { writeTicket } from "#shared/wire/ticket-document.ts";
import { chainOf, leaseFor } from "#test/support/documents.ts";
import { requestOf } from "#test/support/requests.ts";
import { holdingBody, sliceBody } from "#test/vectors/cases/tickets.ts";

/** The reference for outside implementers names what the code reads and writes. */
const REFERENCE = readFileSync(new URL("../../../docs/reference/documents.md", import.meta.url), "utf8");

/** First cells of the tables of one chapter, as far as they are names of elements. */
function elementsOf(chapter: string): Set<string> {
  const [, text = ""] = REFERENCE.split(`\n## ${chapter}\n`);
  const rows = text
    .split("\n## ")[0]!
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  return new Set(
    rows.flatMap((row) => [...row.split("|")[1]!.matchAll(/`([a-z0-9_]+)`/g)].map(([, name]) => name!)),
  );
}

function written(...bodies: string[]): Set<string> {
  const names = bodies.flatMap((body) => [...body.matchAll(/^ {2}<([a-z0-9_]+)>/gm)]);
  return new Set(names.map(([, name]) => name!));
}

test("every element of a ticket stands in the reference, and no other", () => {
  const held = { ...chainOf(3).holdings[1]!.ticket, holder: "0".repeat(64) };
  const bodies = written(holdingBody, sliceBody, writeTicket(held).toString());
  assert.deepEqual([...elementsOf("Ticket")].sort(), [...bodies].sort());
});

test("every element of a lease stands in the reference, and no other", () => {
  const lease = leaseFor(chainOf(2).leaf, {
    ceilings: { cpuMillis: 1 },
    ports: [{ protocol: "tcp", from: 1, to: 2 }],
    administrative: ["CAP_NET_RAW"],
  });
  assert.deepEqual([...elementsOf("Lease")].sort(), [...written(writeLease(lease).toString())].sort());
});

test("every element of a request stands in the reference, and no other", () => {
  assert.deepEqual(
    [...elementsOf("Request")].sort(),
    [...written(writeRequest(requestOf()).toString())].sort(),
  );
});

test("every rule of narrowing stands in the reference as a rule", () => {
  const rows = REFERENCE.split("\n").filter((line) => line.startsWith("| `"));
  for (const { element } of NARROWING) {
    const [name = ""] = element.split(/, | /);
    const row = rows.find((line) => line.split("|")[1]!.includes(`\`${name}\``));
    assert.ok(row && row.split("|")[4]?.trim() !== "–", `${name} has no rule in the reference`);
  }
});

test("the example of a header is a header", () => {
  const header = chainOf(3).text.split("\n\n")[0]!.split("\n");
  const example = /```\n(sig-.*?)\n\n</s.exec(REFERENCE)![1]!.split("\n");
  assert.deepEqual(
    example.map((line) => line.split(" ")[0]),
    header.map((line) => line.split(" ")[0]),
  );
});
