import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog } from "#shared/runtime/log.ts";
import { openJobQueue } from "#shared/runtime/queue.ts";
import { eventually } from "#test/support/deadline.ts";
import { testRedis, withoutRedis } from "#test/support/redis.ts";

test("a queue that is away is told of once, and that it works again", { skip: withoutRedis }, async () => {
  await using redis = await testRedis();
  const lines: { level: string; msg: string }[] = [];
  const log = createLog("broker", { write: (line) => lines.push(JSON.parse(line)) });
  const work = async () => undefined;
  await using queue = await openJobQueue({ name: "told", on: { redis: redis.url }, work, atOnce: 1, log });
  assert.equal(await queue.add("acquisition-0"), true);
  await redis.kill();
  assert.equal(await queue.add("acquisition-1"), false);
  assert.equal(await queue.add("acquisition-2"), false);
  await redis.start();
  await eventually(() => queue.add("acquisition-3"), { what: "a job that is taken" });
  assert.deepEqual(
    lines.map(({ level, msg }) => [level, msg]),
    [
      ["warn", "the queue is in trouble; its work is done without it"],
      ["info", "the queue works again"],
    ],
  );
});

test("a queue that was away at the start is used as soon as it is there", {
  skip: withoutRedis,
}, async () => {
  await using redis = await testRedis();
  await redis.kill();
  const done: string[] = [];
  const work = async (id: string) => void done.push(id);
  const log = createLog("broker", { write: () => undefined });
  await using queue = await openJobQueue({ name: "late", on: { redis: redis.url }, work, atOnce: 1, log });
  assert.equal(await queue.add("acquisition-1"), false);
  await redis.start();
  await eventually(() => queue.add("acquisition-2"), { what: "a job that is taken" });
  await eventually(() => done.includes("acquisition-2"), { what: "a job that is done" });
});
