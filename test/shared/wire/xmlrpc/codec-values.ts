import assert from "node:assert/strict";
import fc from "fast-check";
import { Fault } from "#shared/model/errors.ts";
import { decodeCall } from "#shared/wire/xmlrpc/decode.ts";
import type { Value } from "#shared/wire/xmlrpc/value.ts";

export const callOf = (value: string) =>
  Buffer.from(`<methodCall><methodName>m</methodName><params><param>${value}</param></params></methodCall>`);

export const read = (value: string) => decodeCall(callOf(value)).params[0];

export const refused = (name: string) => (error: unknown) => error instanceof Fault && error.name === name;

export const refuses = (body: string | Buffer, name = "MALFORMED") =>
  assert.throws(() => decodeCall(Buffer.from(body as string)), refused(name), String(body).slice(0, 200));

export const refusesValue = (value: string, name = "MALFORMED") => refuses(callOf(value), name);

/** A string XML can carry: no controls, no lone surrogates, no non-characters at the end of the plane. */
export const text = fc
  .string({ unit: "binary" })
  .map((s) => s.toWellFormed().replace(/[\0-\x08\x0B\x0C\x0E-\x1F\uFFFE\uFFFF]/g, "\r"));

const wholeSecond = fc
  .integer({ min: Date.parse("0000-01-01T00:00:00Z") / 1000, max: Date.parse("9999-12-31T23:59:59Z") / 1000 })
  .map((seconds) => new Date(seconds * 1000));

const number = fc
  .oneof(fc.integer(), fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true }))
  .map((n) => (n === 0 ? 0 : n));

const bytes = fc.uint8Array().map((b) => Buffer.from(b));

/** Whatever can be written. */
export const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    wholeSecond,
    bytes,
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(fc.oneof(text, fc.constant("__proto__")), tie("value"), {
      maxKeys: 5,
      noNullPrototype: false,
    }),
  ),
}));
