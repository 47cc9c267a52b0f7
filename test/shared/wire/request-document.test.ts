import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import fc from "fast-check";
import { privateKeyPem } from "#shared/identity/key-file.ts";
import { Fault } from "#shared/model/errors.ts";
import { CLOCK_SLACK } from "#shared/model/time.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import { documentId, parseDocument } from "#shared/wire/document.ts";
import {
  checkPresented,
  claimedSigner,
  describedRequest,
  MAX_REQUEST_AGENTS,
  MAX_REQUEST_SECONDS,
  openRequest,
  sealRequest,
  writeRequest,
} from "#shared/wire/request-document.ts";
import { description } from "#test/support/arbitrary-description.ts";
import { hex } from "#test/support/arbitrary-documents.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { chainOf, DAY, HOUR, KEYS, NOW, sealBody, sealedLease } from "#test/support/documents.ts";
import { AGENT, BROKER, requestOf } from "#test/support/requests.ts";

const alice = KEYS.alice.public;
const sealed = sealRequest(requestOf(), KEYS.alice);

test("a request is read as it was written, by whoever trusts its principal's key", () => {
  const { id, request } = openRequest(sealed, alice);
  assert.deepEqual(request, requestOf());
  assert.equal(id, documentId(writeRequest(request)));
  assert.equal(claimedSigner(sealed), alice.name);
});

test("any request within its limits can be sealed and read again, without its program", () => {
  const any = fc.record({
    terms: fc.record({
      serial: hex(32),
      broker: hex(64),
      agents: fc.uniqueArray(hex(64), { minLength: 1, maxLength: 4 }),
      validTo: fc.integer({ min: NOW - 3650 * DAY, max: NOW + 3650 * DAY }),
    }),
    described: description,
  });
  fc.assert(
    fc.property(any, ({ terms, described }) => {
      const request = describedRequest({ ...terms, principal: alice.name }, described);
      const { program: _, ...rest } = described;
      // Generated objects have no prototype.
      assert.deepEqual(JSON.parse(JSON.stringify(request.description)), JSON.parse(JSON.stringify(rest)));
      assert.deepEqual(openRequest(sealRequest(request, KEYS.alice), alice).request, request);
    }),
    { numRuns: 100 },
  );
});

test("a request of another principal is refused, whoever signed it", () => {
  assert.throws(() => openRequest(sealed, KEYS.bob.public), /^UNKNOWN_KEY/);
  const inAlicesName = sealRequest(requestOf(), KEYS.bob);
  assert.throws(() => openRequest(inAlicesName, alice), /^UNKNOWN_KEY/);
  assert.throws(() => openRequest(inAlicesName, KEYS.bob.public), /^NOT_PRINCIPAL/);
});

test("another kind of document is no request, whoever signed it", () => {
  assert.throws(() => openRequest(sealedLease(), KEYS.node.public), /^WRONG_TYPE/);
  const ticket = parseDocument(chainOf(2).text).body;
  assert.throws(() => openRequest(sealBody(ticket, KEYS.alice).text, alice), /^WRONG_TYPE/);
});

test("a request that is too large is not sealed", () => {
  const avoid = Array.from({ length: 200 }, (_, i) => i.toString(16).padStart(64, "0"));
  const { where, ...rest } = requestOf().description;
  const large = describedRequest(requestOf(), { ...rest, where: { ...where, avoid } });
  assert.throws(() => sealRequest(large, KEYS.alice), /^TOO_LARGE/);
});

test("no request names no agent, one twice, or more than its limit", () => {
  const many = Array.from({ length: MAX_REQUEST_AGENTS + 1 }, (_, i) => i.toString(16).padStart(64, "0"));
  const most = sealRequest(requestOf({ agents: many.slice(1) }), KEYS.alice);
  assert.equal(openRequest(most, alice).request.agents.length, MAX_REQUEST_AGENTS);
  for (const agents of [[], [AGENT, AGENT], many]) {
    const { text } = sealBody(writeRequest(requestOf({ agents })), KEYS.alice);
    assert.throws(() => openRequest(text, alice), /^MALFORMED/);
  }
});

describe("every byte of a request counts", () => {
  const bytes = Buffer.from(sealed);

  function assertRefused(mutant: Buffer, what: string): void {
    if (mutant.equals(bytes)) return;
    assert.throws(
      () => openRequest(mutant.toString(), alice),
      (error) => error instanceof Fault || assert.fail(`${what} threw ${error}`),
      what,
    );
  }

  test("flipped, taken out, doubled, or the text cut there", () => {
    for (let at = 0; at < bytes.length; at++) {
      const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + 1)];
      const byte = bytes[at]!;
      for (const bit of [1 << (at % 8), 0x20]) {
        assertRefused(Buffer.concat([before, Buffer.of(byte ^ bit), after]), `byte ${at} flipped`);
      }
      assertRefused(Buffer.concat([before, after]), `byte ${at} taken out`);
      assertRefused(Buffer.concat([before, Buffer.of(byte, byte), after]), `byte ${at} doubled`);
      assertRefused(before, `cut at byte ${at}`);
    }
  });

  test("and nothing can be put in, moved or repeated", () => {
    const put = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 12 }).map((some) => Buffer.from(some)),
      fc.constantFrom("\n", "\r\n", "<serial>0</serial>", "<!---->", "&amp;", "=", "\0").map(Buffer.from),
    );
    const place = fc.nat({ max: bytes.length });
    fc.assert(
      fc.property(place, place, put, (a, b, some) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        const [head, cut, tail] = [bytes.subarray(0, from), bytes.subarray(from, to), bytes.subarray(to)];
        assertRefused(Buffer.concat([head, some, cut, tail]), "inserted");
        assertRefused(Buffer.concat([head, some, tail]), "replaced");
        if (cut.length > 0) assertRefused(Buffer.concat([head, tail]), "taken out");
        if (cut.length > 0) assertRefused(Buffer.concat([head, cut, cut, tail]), "doubled");
        assertRefused(Buffer.concat([bytes, some]), "appended");
      }),
      { numRuns: 300 },
    );
  });
});

describe("a request is presented", () => {
  const request = requestOf();
  const present = (where: Partial<Parameters<typeof checkPresented>[1]>) =>
    checkPresented(request, { broker: BROKER, agent: AGENT, now: NOW, ...where });

  test("by its broker, to the agents it names", () => {
    present({});
    present({ agent: undefined });
    assert.throws(() => present({ broker: AGENT }), /^NOT_PRINCIPAL.*another broker/);
    assert.throws(() => present({ broker: request.principal }), /^NOT_PRINCIPAL/);
    assert.throws(() => present({ agent: BROKER }), /^NOT_PRINCIPAL.*name this agent/);
  });

  test("within a day before its end, with slack at both ends", () => {
    const end = NOW + HOUR;
    const first = end - MAX_REQUEST_SECONDS - CLOCK_SLACK;
    present({ now: first });
    assert.throws(() => present({ now: first - 1 }), /^NOT_YET_VALID/);
    present({ now: end + CLOCK_SLACK - 1 });
    assert.throws(() => present({ now: end + CLOCK_SLACK }), /^EXPIRED/);
  });
});

test("a request that another program makes, with Python and openssl alone, is a request", async () => {
  await using directory = await temporaryDirectory();
  const [key, description] = [join(directory.path, "alice.key"), join(directory.path, "slice.xml")];
  await writeFile(key, privateKeyPem(KEYS.alice), { mode: 0o600 });
  await writeFile(description, requestOf().descriptionXml);
  const maker = fileURLToPath(new URL("../../../examples/signed_request.py", import.meta.url));
  const terms = ["--broker", BROKER, "--agent", AGENT, "--agent", BROKER];
  const { stdout } = await promisify(execFile)("python3", [maker, "--key", key, ...terms, description]);
  const { request } = openRequest(stdout, alice);
  assert.deepEqual(request.description, requestOf().description);
  assert.deepEqual(request.agents, [AGENT, BROKER]);
  checkPresented(request, { broker: BROKER, agent: AGENT, now: systemClock().now() });
});
