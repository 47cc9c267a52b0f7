import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import type { Backend, Command, SliverPlan } from "#services/node-manager/backends/backend.ts";
import { Fault, type FaultName } from "#shared/model/errors.ts";
import { assertGuideAgrees } from "#test/support/ability-table.ts";
import { eventually } from "#test/support/deadline.ts";

/** A place where backends of one engine can be opened, for several nodes and for one node again, and then cleared. */
export interface BackendBench extends AsyncDisposable {
  /** Opens the backend of the node with this short id (8 hex digits), as a node manager does when it starts. */
  open(node: string): Promise<Backend>;
}

/** A plan small enough for any engine, with a sliver id of its own. */
export function somePlan(change: Partial<SliverPlan> = {}): SliverPlan {
  const resources = { cpuMillis: 100, memoryMib: 64, diskMib: 64, egressKbps: 0 };
  return { id: randomBytes(8).toString("hex"), slice: "princeton_dns", resources, ceilings: {}, ...change };
}

/** A node's short id that no other test run on this machine uses. */
export function someNode(): string {
  return randomBytes(4).toString("hex");
}

export type Outcome = { code: number; stdout: string; stderr: string };

/** Runs a command to its end, giving it `input` and then the end of input. */
export async function run(backend: Backend, id: string, command: Command, input = ""): Promise<Outcome> {
  const running = await backend.exec(id, command);
  running.stdin.end(input);
  const [stdout, stderr, { code }] = await Promise.all([
    text(running.stdout),
    text(running.stderr),
    running.exit,
  ]);
  return { code, stdout, stderr };
}

/** For `assert.rejects`: a fault of this name. */
export function fault(name: FaultName): (error: unknown) => boolean {
  return (error) => error instanceof Fault && error.name === name;
}

/**
 * What every engine must do, whatever it makes. Where nothing runs (`statement.simulated`) the expectations about a
 * command's effects become: the output says that it is simulated. `many`: how many slivers are made at once.
 */
export function backendContract(
  name: string,
  makeBench: () => Promise<BackendBench>,
  { skip, many = 8 }: { skip?: string | false; many?: number } = {},
): void {
  describe(`a ${name} backend`, { skip }, () => {
    const node = someNode();
    let bench: BackendBench;
    let backend: Backend;
    before(async () => {
      bench = await makeBench();
      backend = await bench.open(node);
    });
    after(() => bench[Symbol.asyncDispose]());

    async function states(of: Backend = backend): Promise<Map<string, string>> {
      const facts = await of.list();
      const byId = new Map(facts.map(({ id, state }) => [id, state]));
      assert.equal(byId.size, facts.length, "each sliver is listed once");
      return byId;
    }

    function sh(id: string, script: string, input?: string): Promise<Outcome> {
      return run(backend, id, { argv: ["sh", "-c", script] }, input);
    }

    test("names its engine and has its default image", () => {
      const { images, defaultImage, engine, simulated } = backend.statement;
      assert.ok(images.includes(defaultImage));
      assert.equal(simulated, engine === "simulated");
    });

    test("has the abilities that the operators' guide says it has", () =>
      assertGuideAgrees(backend.statement));

    test("starts with nothing", async () => assert.deepEqual(await backend.list(), []));

    test("ensures one sliver eight times at once as once", async () => {
      const plan = somePlan();
      await Promise.all(Array.from({ length: 8 }, () => backend.ensure(plan)));
      assert.deepEqual(await states(), new Map([[plan.id, "running"]]));
      await backend.remove(plan.id);
      assert.deepEqual(await backend.list(), []);
    });

    test(`ensures and removes ${many} slivers at once`, async () => {
      const plans = Array.from({ length: many }, () => somePlan());
      await Promise.all(plans.map((plan) => backend.ensure(plan)));
      assert.deepEqual(await states(), new Map(plans.map(({ id }) => [id, "running"])));
      await Promise.all(plans.map(({ id }) => backend.remove(id)));
      assert.deepEqual(await backend.list(), []);
    });

    test("ends with a sliver's removal even when it is asked for while the sliver is being made", async () => {
      const plan = somePlan();
      await Promise.all([backend.ensure(plan), backend.remove(plan.id)]);
      await backend.remove(plan.id);
      assert.deepEqual(await backend.list(), []);
    });

    test("removes a running sliver, a stopped one, one twice and one it never had", async () => {
      const [running, stopped] = [somePlan(), somePlan()];
      await Promise.all([backend.ensure(running), backend.ensure(stopped)]);
      await backend.stop(stopped.id);
      await backend.remove(running.id);
      await backend.remove(running.id);
      await backend.remove(stopped.id);
      await backend.remove(somePlan().id);
      await backend.stop(somePlan().id);
      assert.deepEqual(await backend.list(), []);
    });

    test("knows no sliver it did not make", async () => {
      const { id } = somePlan();
      await assert.rejects(backend.exec(id, { argv: ["true"] }), fault("NO_SLICE"));
      await assert.rejects(backend.usage(id), fault("NO_SLICE"));
    });

    test("refuses an image it does not have, and makes nothing", async () => {
      await assert.rejects(backend.ensure(somePlan({ image: "no-such-image" })), fault("BACKEND_FAILED"));
      assert.deepEqual(await backend.list(), []);
    });

    /** One for all of them, since some engines take their time to make one. */
    describe("with one sliver", () => {
      const plan = somePlan();
      const { id } = plan;
      before(() => backend.ensure(plan));
      after(() => backend.remove(id));

      test("refuses a command without a name", async () => {
        await assert.rejects(backend.exec(id, { argv: [] }), fault("MALFORMED"));
      });

      test("tells a command's output, errors and exit code apart", async () => {
        const outcome = await sh(id, "echo out; echo err >&2; exit 7");
        if (backend.statement.simulated) {
          const said = `simulated sliver ${id} of slice princeton_dns: nothing ran: sh -c echo out; echo err >&2; exit 7\n`;
          assert.deepEqual(outcome, { code: 0, stdout: said, stderr: "" });
        } else {
          assert.deepEqual(outcome, { code: 7, stdout: "out\n", stderr: "err\n" });
        }
      });

      test("gives a command its input and the end of it", async () => {
        const megabyte = "x".repeat(1 << 20);
        const { code, stdout } = await run(backend, id, { argv: ["cat"] }, megabyte);
        assert.equal(code, 0);
        if (!backend.statement.simulated) assert.equal(stdout.length, megabyte.length);
      });

      test("gives a command its environment, its directory and its arguments unchanged", async () => {
        const hostile = `a b'"$(id)\n;*,=`;
        const argv = ["sh", "-c", 'printf "%s|%s|%s|%s|%s" "$1" "$X" "$HOME" "$PWD" "$TERM"', "sh", hostile];
        const { stdout } = await run(backend, id, { argv, env: { X: hostile }, workingDirectory: "/tmp" });
        if (!backend.statement.simulated) assert.equal(stdout, `${hostile}|${hostile}|/root|/tmp|`);
      });

      test("ends a command that is killed with 128 + the signal", async () => {
        for (const [signal, code] of [
          ["SIGTERM", 143],
          ["SIGKILL", 137],
        ] as const) {
          const running = await backend.exec(id, { argv: ["cat"] });
          running.stdout.resume();
          running.stderr.resume();
          running.kill(signal);
          assert.equal((await running.exit).code, code);
        }
      });

      test("ensures a sliver twice as once", async () => {
        if (!backend.statement.simulated)
          await sh(plan.id, "echo kept > /tmp/mark; (sleep 1000 &) >/dev/null 2>&1");
        await backend.ensure(plan);
        assert.deepEqual(await states(), new Map([[plan.id, "running"]]));
        if (backend.statement.simulated) return;
        assert.equal(
          (
            await sh(
              plan.id,
              "cat /tmp/mark; cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o '[s]leep 1000' | wc -l",
            )
          ).stdout,
          "kept\n1\n",
        );
      });

      test("does not show one node's slivers to another node of the same machine", async () => {
        const neighbour = await bench.open(someNode());
        assert.deepEqual(await neighbour.list(), []);
        await neighbour.remove(plan.id);
        await neighbour.ensure(plan);
        await neighbour.remove(plan.id);
        assert.deepEqual(await states(), new Map([[plan.id, "running"]]));
        await assert.rejects(neighbour.exec(plan.id, { argv: ["true"] }), fault("NO_SLICE"));
      });

      test("gives a node manager that starts again what the last one left, or nothing and the chance to make it", async () => {
        const restarted = await bench.open(node);
        if (!restarted.statement.simulated) {
          assert.deepEqual(await states(restarted), new Map([[plan.id, "running"]]));
        }
        await restarted.ensure(plan);
        assert.deepEqual(await states(restarted), new Map([[plan.id, "running"]]));
      });
      test("stops a sliver, keeps its disk and starts it again on it", async () => {
        if (!backend.statement.simulated) await sh(plan.id, "echo mine > /root/note");
        await backend.stop(plan.id);
        await backend.stop(plan.id);
        assert.deepEqual(await states(), new Map([[plan.id, "stopped"]]));
        await assert.rejects(backend.exec(plan.id, { argv: ["true"] }), fault("BACKEND_FAILED"));
        await backend.ensure(plan);
        assert.deepEqual(await states(), new Map([[plan.id, "running"]]));
        if (!backend.statement.simulated)
          assert.equal((await sh(plan.id, "cat /root/note")).stdout, "mine\n");
      });

      test("starts the sliver's programs when it starts the sliver", async () => {
        if (!backend.statement.abilities.includes("programs")) return;
        const script = `mkdir -p /var/lib/slicelab/programs/beat; cd /var/lib/slicelab/programs/beat
          echo 'echo beat >>/root/beats; exec sleep 1000' >run; echo any >digest`;
        assert.equal((await sh(plan.id, script)).code, 0);
        await backend.stop(plan.id);
        await backend.ensure(plan);
        await eventually(async () => (await sh(plan.id, "wc -l </root/beats")).stdout === "1\n");
      });

      test("tells what a sliver uses", async () => {
        const { network, ...usage } = await backend.usage(id);
        for (const { bytes, packets } of Object.values(network ?? {}))
          assert.ok(Number.isSafeInteger(bytes) && Number.isSafeInteger(packets) && bytes >= packets);
        for (const value of Object.values(usage)) assert.ok(Number.isSafeInteger(value) && value >= 0);
        if (!backend.statement.simulated) assert.ok(usage.processes >= 1 && usage.memoryBytes > 0);
        await backend.stop(id);
        assert.equal((await backend.usage(id)).processes, 0);
      });
    });
  });
}
