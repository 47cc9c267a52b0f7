import assert from "node:assert/strict";
import { test } from "node:test";
import { generateSigningKey } from "#shared/identity/key-file.ts";
import { type SigningKey, signBytes } from "#shared/identity/signature.ts";
import {
  BEFORE_FIRST,
  type ChainedRow,
  hashAfter,
  headBytes,
  verifyChain,
} from "#shared/wire/audit-chain.ts";

/** A chain of as many rows as there are keys, each of which signed the head at its row. */
function chainOf(keys: readonly SigningKey[]) {
  let last = BEFORE_FIRST;
  const rows = keys.map((_, at): ChainedRow => {
    const time = "2030-01-01 00:00:00.000000";
    const row = { id: at + 1, at: time, who: "operator", method: "x", outcome: "ok", detail: "{}" };
    last = { position: last.position + 1, hash: hashAfter(last, row) };
    return { ...row, ...last };
  });
  const heads = rows.map(({ position, hash }, at) => {
    const key = keys[at]!;
    const head = { position, hash, sealed: "2030-01-01 00:00:00", key: key.public.name };
    return { ...head, signature: signBytes(key, headBytes(head)) };
  });
  const following = <Row>(all: readonly Row[]) => {
    return async (after: number) => all.slice(after);
  };
  return { heads: following(heads), rows: following(rows) };
}

test("a chain goes on under another key, and who names the earlier ones can verify all of it", async () => {
  const [first, second, third] = (await Promise.all(
    Array.from({ length: 3 }, () => generateSigningKey({ type: "ed25519" })),
  )) as [SigningKey, SigningKey, SigningKey];
  const chain = chainOf([first, first, second, third, third]);
  const earlier = [first.public, second.public];
  assert.equal((await verifyChain(chain, () => third.public, undefined, earlier)).position, 5);
  await assert.rejects(
    verifyChain(chain, () => third.public),
    /row 1 ends at a head that another key signed/,
  );
  await assert.rejects(
    verifyChain(chain, () => third.public, undefined, [first.public]),
    /row 3 ends at a head that another key signed/,
  );
  await assert.rejects(
    verifyChain(chainOf([first, second, first]), () => second.public, undefined, [first.public]),
    /row 3 ends at a head of a key that another had taken over from/,
    "whoever has only the old key adds nothing",
  );
});
