import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Fault } from "#shared/model/errors.ts";
import { type ChainAnchor, openHolding, openSliceTicket } from "#shared/wire/chain.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { chainOf, KEYS, NOW, sealedHolding, sealedRoot } from "#test/support/documents.ts";

/** No mutation of a valid chain verifies: each ends in a fault, never in another error and never in a chain. */

const anchor: ChainAnchor = { nodeKey: KEYS.node.public };
const root = sealedRoot();
/** As the node reads: it has its own roots by heart, so a root may be left out, which is a change that is allowed. */
const atNode: ChainAnchor = { ...anchor, rootById: (id) => (id === root.id ? root.text : undefined) };

function assertRefused(text: string, what: string): void {
  for (const [reader, known] of [
    ["a stranger", anchor],
    ["the node", atNode],
  ] as const) {
    try {
      const { leaf } = openSliceTicket(text, known, NOW);
      assert.fail(`${what} was taken by ${reader} as ${leaf.id}`);
    } catch (error) {
      assert.ok(error instanceof Fault, `${what} threw ${error}`);
    }
  }
}

/** The one change that is no mutation: the node allows it. */
function withoutRoot(text: string): string {
  return text.replace(/parent-base64: .*\n/, "");
}

/** Every byte of a text, or every `step`-th, with one bit flipped, taken out, doubled; and the text cut there. */
function* singleMutations(text: string, step: number): Generator<[string, string]> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += step) {
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + 1)];
    const byte = bytes[at]!;
    for (const changed of [byte ^ (1 << (at % 8)), byte ^ 0x20]) {
      yield [`byte ${at} flipped`, Buffer.concat([before, Buffer.of(changed), after]).toString()];
    }
    yield [`byte ${at} taken out`, Buffer.concat([before, after]).toString()];
    yield [`byte ${at} doubled`, Buffer.concat([before, Buffer.of(byte, byte), after]).toString()];
    yield [`cut at byte ${at}`, before.toString()];
  }
}

function assertEveryByteCounts(text: string, step: number): void {
  openSliceTicket(text, anchor, NOW);
  for (const [what, mutant] of singleMutations(text, step)) assertRefused(mutant, what);
}

test("every byte of a chain of two counts", () => assertEveryByteCounts(chainOf(2).text, 1));

test("every eleventh byte of a chain of four counts", () => assertEveryByteCounts(chainOf(4).text, 11));

test("every byte inside a parent counts, where its base64 is written again as it should be", () => {
  const { text } = chainOf(3);
  const lines = text.split("\n");
  for (const line of [2, 3]) {
    const parent = Buffer.from(lines[line]!.slice("parent-base64: ".length), "base64").toString();
    for (const [what, mutant] of singleMutations(parent, 5)) {
      const changed = `parent-base64: ${Buffer.from(mutant).toString("base64")}`;
      assertRefused(lines.with(line, changed).join("\n"), `parent ${line - 1}, ${what}`);
    }
  }
});

const BYTES = fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => Buffer.from(bytes));
const SNIPPETS = fc
  .constantFrom(
    " ",
    "\n",
    "\r",
    "\t",
    "=",
    "==",
    "\0",
    "\u00a0",
    "\ufeff",
    "\ud800",
    "\n\n",
    "key-sha256: ",
    "<!-- -->",
    "<slice>x</slice>",
    "&amp;",
  )
  .map((text) => Buffer.from(text));
const PUT = fc.oneof(BYTES, SNIPPETS);

test("whatever is put in, taken out, moved or doubled anywhere, the chain is refused", () => {
  const texts = ([2, 3, 4] as const).map((links) => chainOf(links).text);
  const mutation = fc.constantFrom(...texts).chain((text) => {
    const bytes = Buffer.from(text);
    const at = fc.nat({ max: bytes.length });
    return fc.tuple(at, at, at, PUT).map(([a, b, c, put]) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      const [cut, rest] = [
        bytes.subarray(from, to),
        Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]),
      ];
      const place = c % (rest.length + 1);
      return {
        text,
        mutants: {
          inserted: Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from)]),
          replaced: Buffer.concat([
            bytes.subarray(0, from),
            put,
            bytes.subarray(Math.min(bytes.length, from + put.length)),
          ]),
          "taken out": rest,
          moved: Buffer.concat([rest.subarray(0, place), cut, rest.subarray(place)]),
          doubled: Buffer.concat([bytes.subarray(0, to), cut, bytes.subarray(to)]),
          "put in front": Buffer.concat([put, bytes]),
          appended: Buffer.concat([bytes, put]),
        },
      };
    });
  });
  fc.assert(
    fc.property(mutation, ({ text, mutants }) => {
      for (const [what, bytes] of Object.entries(mutants)) {
        const mutant = bytes.toString();
        if (mutant !== text && mutant !== withoutRoot(text)) assertRefused(mutant, what);
      }
    }),
    { numRuns: 300 },
  );
});

describe("lines of a header", () => {
  const { text } = chainOf(4);
  const end = text.indexOf("\n\n");
  const header = text.slice(0, end).split("\n");
  const body = text.slice(end);

  test("in any other order, left out or repeated are refused", () => {
    const arrangement = fc
      .array(fc.constantFrom(...header), { maxLength: 7 })
      .map((lines) => lines.join("\n"));
    // Leaving out the root alone is the one change that the node itself allows.
    const allowed = [header, header.filter((_, line) => line !== 2)].map((lines) => lines.join("\n"));
    const permutation = fc.shuffledSubarray(header, { minLength: 3 }).map((lines) => lines.join("\n"));
    fc.assert(
      fc.property(fc.oneof(arrangement, permutation), (lines) => {
        fc.pre(!allowed.includes(lines));
        assertRefused(lines + body, "a header");
      }),
      { numRuns: 1000 },
    );
  });

  test("taken from another valid chain are refused, line by line", () => {
    const other = chainOf(3).text.split("\n").slice(0, 4);
    for (let line = 0; line < header.length; line++) {
      for (const foreign of other) {
        const mixed = header.with(line, foreign).join("\n");
        if (mixed !== header.join("\n")) assertRefused(mixed + body, `line ${line}`);
      }
    }
  });

  test("written with characters that only look alike are refused", () => {
    for (const [from, to] of [
      ["sha256", "ｓha256"],
      [": ", ":\u00a0"],
      ["\n", "\u2028"],
      ["\n", "\r\n"],
      ["s", "ſ"],
    ] as const) {
      assertRefused(text.replace(from, to), `${JSON.stringify(to)} for ${JSON.stringify(from)}`);
    }
  });
});

test("a holding is as well kept as a slice ticket", () => {
  const holding = sealedHolding(root).text;
  for (const [what, mutant] of singleMutations(holding, 5)) {
    assert.throws(() => openHolding(mutant, anchor, NOW), Fault, what);
    assert.throws(() => openHolding(mutant, atNode, NOW), Fault, what);
  }
});

test("a signature's other encodings verify nothing: Ed25519 with a larger S, RSA with a larger number or a zero in front", () => {
  const { text } = chainOf(2);
  const [line = ""] = text.split("\n");
  const signature = parseDocument(text).signature;
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const larger = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString("hex")}`) + order;
  const s = Buffer.from(larger.toString(16).padStart(64, "0"), "hex").reverse();
  const malleable = Buffer.concat([signature.subarray(0, 32), s]).toString("base64");
  assertRefused(text.replace(line, `sig-ed25519-base64: ${malleable}`), "S + L");

  const rsaLine = root.text.split("\n")[0]!;
  const rsa = parseDocument(root.text).signature;
  const jwk = KEYS.node.public.object.export({ format: "jwk" });
  const modulus = BigInt(`0x${Buffer.from(jwk.n!, "base64url").toString("hex")}`);
  const wrapped = (BigInt(`0x${rsa.toString("hex")}`) + modulus).toString(16);
  const zero = Buffer.concat([Buffer.of(0), rsa]);
  for (const bytes of [
    Buffer.from(wrapped.padStart(wrapped.length + (wrapped.length % 2), "0"), "hex"),
    zero,
    rsa.subarray(1),
  ]) {
    const changed = root.text.replace(rsaLine, `sig-rsa-sha256-base64: ${bytes.toString("base64")}`);
    assert.throws(() => openHolding(changed, anchor, NOW), { name: "BAD_SIGNATURE" });
  }
});
