import assert from "node:assert/strict";
import { test } from "node:test";
import { startRounds } from "#shared/runtime/rounds.ts";
import { eventually } from "../../support/deadline.ts";

const HOUR = 3_600_000;

function fail(error: unknown): never {
  throw error;
}

test("rounds come one after the other, and whoever asks for one meanwhile joins it", async () => {
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  await using rounds = startRounds(
    async () => {
      begun += 1;
      await gate.promise;
    },
    { everyMs: HOUR, onFailure: fail },
  );
  const both = [rounds.round(), rounds.round()];
  assert.equal(begun, 1);
  gate.resolve();
  await Promise.all(both);
  await rounds.round();
  assert.equal(begun, 2);
});

test("a round that fails, in whatever way, is told of, and the next one comes in its turn", async () => {
  const failures: unknown[] = [];
  let begun = 0;
  await using rounds = startRounds(
    () => {
      begun += 1;
      if (begun === 1) throw new Error("at once");
      return begun === 2 ? Promise.reject(new Error("later")) : Promise.resolve();
    },
    { everyMs: 1, onFailure: (error) => failures.push((error as Error).message) },
  );
  await eventually(() => begun >= 4, { what: "the fourth round" });
  await rounds.round();
  assert.deepEqual(failures, ["at once", "later"]);
});

test("what ends tells its last round, waits for it, and begins no other", async () => {
  let begun = 0;
  let ended = 0;
  const rounds = startRounds(
    async (signal) => {
      begun += 1;
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      ended += 1;
      signal.throwIfAborted();
    },
    { everyMs: 0, onFailure: fail },
  );
  await rounds[Symbol.asyncDispose]();
  assert.deepEqual({ begun, ended }, { begun: 1, ended: 1 });
  await rounds[Symbol.asyncDispose]();
});
