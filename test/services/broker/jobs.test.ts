import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { stringify } from "smol-toml";
import { QUEUE_SCHEMA } from "#services/broker/jobs.ts";
import { openDatabase } from "#shared/runtime/database.ts";
import { announcementOf } from "#shared/runtime/lifecycle.ts";
import type { AcquisitionStruct } from "#shared/wire/broker-api.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { writeSliceDescription } from "#shared/wire/slice-description.ts";
import { readTicket } from "#shared/wire/ticket-document.ts";
import { eventually } from "../../support/deadline.ts";
import { temporaryDirectory } from "../../support/directory.ts";
import { type TestRedis, testRedis, withoutRedis } from "../../support/redis.ts";
import { charges } from "../agent/agent-lab.ts";
import { description } from "./advertisements.ts";
import { type BrokerClient, type BrokerLab, brokerLab } from "./broker-lab.ts";
import { type HeldLink, heldLink } from "./held-link.ts";

const PROGRAM = fileURLToPath(new URL("broker-process.ts", import.meta.url));
/** Advertisements are asked for once and then used: what is held back afterwards are tickets. */
const QUICK = {
  agent_seconds: 60,
  ads_seconds: 3600,
  scan_seconds: 1,
  claim_seconds: 2,
  acquisitions_at_once: 100,
} as const;
const NODES = 2;

/** What somebody does to a queue while acquisitions are under way, and what undoes it. */
type Ruin = { readonly what: string; ruin(queue: Queue): Promise<void>; mend?(queue: Queue): Promise<void> };
type Queue = { readonly redis?: TestRedis; readonly sql: (text: string) => Promise<unknown> };

const QUEUES: readonly { on: "Redis" | "PostgreSQL"; skip: string | false; ruins: readonly Ruin[] }[] = [
  {
    on: "Redis",
    skip: withoutRedis,
    ruins: [
      { what: "flushed", ruin: ({ redis }) => redis!.flush() },
      {
        what: "killed and started again empty",
        ruin: ({ redis }) => redis!.kill(),
        mend: ({ redis }) => redis!.start(),
      },
      { what: "killed for good", ruin: ({ redis }) => redis!.kill() },
    ],
  },
  {
    on: "PostgreSQL",
    skip: false,
    ruins: [
      { what: "emptied", ruin: async ({ sql }) => void (await sql(`truncate ${QUEUE_SCHEMA}.job cascade`)) },
      { what: "dropped", ruin: async ({ sql }) => void (await sql(`drop schema ${QUEUE_SCHEMA} cascade`)) },
    ],
  },
];

for (const { on, skip, ruins } of QUEUES) {
  describe(`a broker whose queue is on ${on}`, { skip }, () => {
    let lab: BrokerLab;
    let link: HeldLink;
    let redis: TestRedis | undefined;
    const owned = new AsyncDisposableStack();
    before(async () => {
      redis = on === "Redis" ? owned.use(await testRedis()) : undefined;
      lab = owned.use(
        await brokerLab({
          agent: {
            nodes: 4,
            share: { slivers: 200, memoryMib: 100_000, diskMib: 1_000_000, cpuMillis: 100_000 },
          },
          config: { ...QUICK, ...(redis && { redis: redis.url }) },
          through: async (url) => {
            link = owned.use(await heldLink(url));
            return link.url;
          },
        }),
      );
    });
    after(() => owned.disposeAsync());

    const sql = (text: string) => lab.database.run(text);

    async function acquiring(names: readonly string[], client = lab.client): Promise<string[]> {
      const begun = names.map((name) => {
        const request = lab.request({ name, count: NODES });
        return client.acquireslice({ request, wait_seconds: 0 });
      });
      return (await Promise.all(begun)).map(({ id }) => id);
    }

    /** All are done, with as many tickets as were asked for, and the agent counts those and no others. */
    async function checkDone(
      ids: readonly string[],
      names: readonly string[],
      client: BrokerClient = lab.client,
    ) {
      const ends = await Promise.all(ids.map((id) => ended(client, id)));
      for (const [at, end] of ends.entries()) {
        assert.equal(end.state, "done", JSON.stringify(end));
        const nodes = end.tickets.map((text) => readTicket(parseDocument(text)).node);
        assert.equal(new Set(nodes).size, NODES);
        const counted = await countedOf([names[at]!]);
        assert.equal(counted.length, NODES, `${names[at]}: ${counted}`);
      }
    }

    /** What the agent counts of some slices. */
    async function countedOf(names: readonly string[]): Promise<string[]> {
      return (await charges(lab.agentLab)).filter((c) => names.some((name) => c.startsWith(`${name} on `)));
    }

    async function knowAds(client = lab.client): Promise<void> {
      const wish = { ...description(1), leaseSeconds: 3600 };
      assert.equal((await client.findslice({ description: writeSliceDescription(wish) })).chosen.length, 1);
    }

    for (const [at, { what, ruin, mend }] of ruins.entries()) {
      test(`in the middle of acquisitions the queue is ${what}: all of them end as if nothing were`, async () => {
        await knowAds();
        link.hold();
        const early = ["a", "b", "c", "d"].map((letter) => `${letter}${at}`);
        const late = ["e", "f", "g"].map((letter) => `${letter}${at}`);
        const ids: string[] = [];
        try {
          ids.push(...(await acquiring(early)));
          // No connection is made while answers are held back: those that are there are whoever's is first.
          await eventually(async () => (await countedOf(early)).length > 0);
          await ruin({ redis, sql });
          ids.push(...(await acquiring(late)));
        } finally {
          link.release();
        }
        await mend?.({ redis, sql });
        await checkDone(ids, [...early, ...late]);
      });
    }

    test("two brokers on one database, told of the same requests at once, do each of them once", async () => {
      await using sibling = await lab.sibling();
      const other = lab.clientOf(lab.agentLab.alice, sibling);
      const names = ["x", "y", "z"];
      const requests = names.map((name) => lab.request({ name, count: NODES }));
      const told = requests.flatMap((request) =>
        [lab.client, other].map((one) => one.acquireslice({ request })),
      );
      const answers = await Promise.all(told);
      const ids = [...new Set(answers.map(({ id }) => id))];
      assert.equal(ids.length, names.length);
      await checkDone(ids, names);
      assert.equal(await asksIn(ids), names.length);
      for (let at = 0; at < answers.length; at += 2) assert.deepEqual(answers[at], answers[at + 1]);
    });

    test("a broker is killed between what an agent granted and its answer: the next one brings the same tickets", async () => {
      if (redis) await redis.start().catch(() => undefined);
      await using directory = await temporaryDirectory();
      const file = join(directory.path, "broker.toml");
      const { listen: _, ...config } = lab.config;
      await writeFile(
        file,
        stringify({ ...config, listen: { address: "127.0.0.1", tls_port: 0, web_port: 0 } }),
      );
      await lab.stop();
      await using first = await startProcess(file);
      const client = lab.clientOf(lab.agentLab.alice, first.service);
      await knowAds(client);
      link.hold();
      const names = ["h", "i", "j", "k"];
      const ids = await acquiring(names, client);
      await eventually(async () => {
        const counts = await Promise.all(names.map((name) => countedOf([name])));
        return counts.some((counted) => counted.length === NODES);
      });
      await eventually(async () => (await asksIn(ids)) === names.length);
      assert.equal(await ticketsIn(ids), 0, "no answer has arrived");
      first.child.kill("SIGKILL");
      await once(first.child, "exit");
      link.cut();
      link.release();

      await using second = await startProcess(file);
      const again = lab.clientOf(lab.agentLab.alice, second.service);
      await checkDone(ids, names, again);
      assert.equal(await ticketsIn(ids), NODES * names.length);
      assert.equal(await asksIn(ids), names.length, "nothing was asked for twice");
      second.child.kill("SIGTERM");
      assert.deepEqual(await once(second.child, "exit"), [0, null]);
    });

    async function ticketsIn(ids: readonly string[]): Promise<number> {
      return await count("tickets", ids);
    }
    async function asksIn(ids: readonly string[]): Promise<number> {
      return await count("asks", ids);
    }
    async function count(table: "asks" | "tickets", ids: readonly string[]): Promise<number> {
      await using database = openDatabase(lab.config.database, { schema: "broker" });
      const row = await database.row<{ n: number }>(
        `select count(*) as n from ${table} where acquisition = any($1::text[])`,
        [ids],
      );
      return row!.n;
    }
  });
}

async function ended(client: BrokerClient, id: string): Promise<AcquisitionStruct> {
  return await eventually(
    async () => {
      const now = await client.getacquisition({ id, wait_seconds: 5 });
      return now.state !== "working" && now;
    },
    { withinMs: 90_000, what: "the end of an acquisition" },
  );
}

async function startProcess(file: string) {
  const child: ChildProcess = spawn(process.execPath, [PROGRAM, file], {
    stdio: ["ignore", "pipe", process.env.SLICELAB_TEST_SHOW ? "inherit" : "ignore"],
  });
  const { tls } = await announcementOf(child);
  const service = { announce: { tls: String(tls) } };
  return {
    ...{ child, service },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}
