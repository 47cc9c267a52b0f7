import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import pg from "pg";
import { eventually } from "#test/support/deadline.ts";
import type { ProgramResult } from "#test/support/program.ts";
import { isProcess, type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";
import { settledState, type TestbedState } from "#test/support/testbed-state.ts";
import { assertGone, assertWhole, run } from "./slice-crash.ts";

/**
 * What `slice create` runs into is brought about in the middle of the agent's transaction that issues the tickets: it
 * waits for a table that the test has locked until the fault is there.
 */
describe("slice create goes on where an agent's fault has left it:", () => {
  let lab: TestbedProcess;
  let beginning: TestbedState;
  let database: string;
  before(async () => {
    lab = await testbedProcess({ ownPostgres: true });
    beginning = await settledState(lab);
    const config = await readFile(join(lab.home, "agent", "agent.toml"), "utf8");
    database = /^database = "(.*)"$/m.exec(config)![1]!;
  });
  after(() => lab[Symbol.asyncDispose]());

  /** Has a slice created while no ticket can be issued, and does something to the agent when it tries. */
  async function createDuring(
    slice: string,
    fault: () => Promise<void>,
    ...options: string[]
  ): Promise<ProgramResult> {
    const holder = new pg.Client({ connectionString: database });
    holder.on("error", () => undefined); // its own end may be the fault
    await holder.connect();
    try {
      await holder.query("begin; lock table agent.tickets in share row exclusive mode");
      const creating = lab.slice("alice", ...create(slice), ...options);
      await eventually(async () => {
        const { rows } = await holder.query("select from pg_stat_activity where wait_event_type = 'Lock'");
        return rows.length > 0;
      });
      await fault();
      return await creating;
    } finally {
      await holder.end();
    }
  }

  const create = (slice: string) => ["create", slice, "--nodes", "3", "--lease", "1h"];

  /** Run again until the agent is well, the same command makes the slice, once. */
  async function assertResumed(slice: string): Promise<void> {
    await eventually(async () => (await lab.slice("alice", ...create(slice))).code === 0, { everyMs: 500 });
    await assertWhole(lab, slice);
    await run(lab, ...create(slice));
    await assertWhole(lab, slice);
    await run(lab, "delete", slice);
    await assertGone(lab, slice);
    assert.deepEqual(await settledState(lab), beginning);
  }

  test("the agent is killed with -9", async () => {
    const { code } = await createDuring("killed", () => lab.kill("agent"));
    assert.notEqual(code, 0);
    await lab.revive();
    await assertResumed("killed");
  });

  test("its PostgreSQL dies, and recovers", async () => {
    const { code } = await createDuring("died", async () => {
      const processes = await postgresProcesses(lab);
      assert.ok(processes.length > 0);
      for (const pid of processes) killIfThere(pid);
      await eventually(() => !processes.some(isProcess));
    });
    assert.ok(code !== null);
    await assertResumed("died");
  });

  test("its PostgreSQL hangs for longer than is waited, and goes on then", async () => {
    // The lock is kept until the command has given up.
    const { code, err } = await createDuring("hung", async () => {}, "--deadline", "3s");
    assert.notEqual(code, 0);
    assert.match(err, /TIMEOUT|within 3000 ms/);
    await assertResumed("hung");
  });
});

/** PostgreSQL's processes come and go: one that ended by itself meanwhile is as good as killed. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The processes that PostgreSQL's first one has, which starts them again when one is killed. */
async function postgresProcesses(lab: TestbedProcess): Promise<number[]> {
  const file = join(lab.home, "postgres", "data", "postmaster.pid");
  const [first] = (await readFile(file, "utf8")).split("\n");
  const children = await readFile(`/proc/${first}/task/${first}/children`, "utf8");
  return children.trim().split(" ").map(Number);
}
