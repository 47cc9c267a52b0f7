import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";

/** What the broker calls its queue there. */
const QUEUE = "slicelab-acquisitions";

import { testRedis, withoutRedis } from "../../support/redis.ts";
import { brokerLab } from "./broker-lab.ts";

/** What somebody who can write to Redis may leave there as the data of a job. */
const POISON: readonly string[] = [
  "",
  "null",
  "not JSON",
  "{}",
  '{"id":7}',
  '{"id":null}',
  '{"id":"\\u0000"}',
  '{"id":"\'; drop table acquisitions; --"}',
  `{"id":"${"f".repeat(64)}"}`,
  `{"id":"${"x".repeat(1_000_000)}"}`,
  '{"__proto__":{"id":"x"}}',
];

test("whatever jobs somebody writes into Redis, requests are honoured and nothing else is done", {
  skip: withoutRedis,
}, async () => {
  await using redis = await testRedis();
  await using lab = await brokerLab({ config: { redis: redis.url, scan_seconds: 1, ads_seconds: 0 } });
  const writer = new Redis(redis.url);
  try {
    const pipeline = writer.pipeline();
    for (let at = 0; at < 500; at++) {
      const id = `bull:${QUEUE}:p${at}`;
      const opts = at % 5 === 0 ? "nonsense" : "{}";
      pipeline.hset(id, {
        name: "p",
        data: POISON[at % POISON.length]!,
        opts,
        timestamp: "1",
        delay: "0",
        priority: "0",
      });
      pipeline.lpush(`bull:${QUEUE}:wait`, `p${at}`);
    }
    pipeline.lpush(`bull:${QUEUE}:wait`, "nowhere");
    pipeline.zadd(`bull:${QUEUE}:marker`, 0, "0");
    await pipeline.exec();
    const got = await lab.client.acquireslice({
      request: lab.request({ name: "good", count: 2 }),
      wait_seconds: 30,
    });
    assert.equal(got.state, "done");
    assert.equal(got.tickets.length, 2);
    const rows = await lab.database.rows("select id from acquisitions");
    assert.deepEqual(rows, [{ id: got.id }]);
    // Its queue held up for good, whoever asks next is served by the next look at the latest.
    await writer.hset(`bull:${QUEUE}:meta`, "paused", "1");
    const next = await lab.client.acquireslice({
      request: lab.request({ name: "next", count: 1 }),
      wait_seconds: 30,
    });
    assert.equal(next.state, "done");
  } finally {
    writer.disconnect();
  }
});
