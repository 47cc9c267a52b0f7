import { once } from "node:events";
import { constants } from "node:os";
import { PassThrough, Writable } from "node:stream";
import { ABILITIES, type Ability } from "#shared/model/ability.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import type { Backend, Command, RunningCommand, SliverId, SliverPlan, SliverState } from "./backend.ts";

/** The images a simulated sliver pretends to have: those of real engines, so that a description suits both. */
const IMAGES = ["debian-12", "busybox"];

const NOT_EVEN_PRETENDED: readonly Ability[] = ["terminal", "forwarding", "programs"];

type SimulatedSliver = { readonly plan: SliverPlan; state: SliverState };

/**
 * Slivers that exist as a line in a table: for fleets of thousands and for machines where nothing real can be made.
 *
 * Keeps the whole contract but runs nothing, and says so in its statement and in the output of every command.
 * Nothing outlives the process: a restarted node manager finds an empty `list()` and ensures its slivers again.
 */
export function simulatedBackend(): Backend {
  const slivers = new Map<SliverId, SimulatedSliver>();

  function known(id: SliverId): SimulatedSliver {
    const sliver = slivers.get(id);
    refuseUnless(sliver, "NO_SLICE", `there is no sliver ${id} on this node; ensure it first`);
    return sliver;
  }

  return {
    // Whatever a plan asks for is pretended.
    statement: {
      ...{ engine: "simulated", simulated: true, images: IMAGES, defaultImage: "debian-12" },
      abilities: ABILITIES.filter((ability) => !NOT_EVEN_PRETENDED.includes(ability)),
    },

    async ensure(plan) {
      const has = plan.image === undefined || IMAGES.includes(plan.image);
      refuseUnless(
        has,
        "BACKEND_FAILED",
        `there is no image ${plan.image} here; choose one of ${IMAGES.join(", ")}`,
      );
      slivers.set(plan.id, { plan, state: "running" });
    },

    async stop(id) {
      const sliver = slivers.get(id);
      if (sliver) sliver.state = "stopped";
    },

    async remove(id) {
      slivers.delete(id);
    },

    async list() {
      return Array.from(slivers, ([id, { state }]) => ({ id, state }));
    },

    async exec(id, command) {
      const { plan, state } = known(id);
      refuseUnless(state === "running", "BACKEND_FAILED", `the sliver ${id} is stopped; ensure it first`);
      refuseUnless(command.argv.length > 0, "MALFORMED", "there is no command; give at least its name");
      return pretend(plan, command);
    },

    async usage(id) {
      known(id);
      return { cpuMicroseconds: 0, memoryBytes: 0, processes: 0, diskBytes: 0 };
    },
  };
}

/** Reads all of its input, says that nothing ran, and ends with 0 — or with 128 + n when killed before that. */
function pretend(plan: SliverPlan, command: Command): RunningCommand {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const { promise: exit, resolve, reject } = Promise.withResolvers<{ code: number; signal?: string }>();
  let ended = false;

  function end(outcome: { code: number; signal?: string }, line = ""): void {
    if (ended) return;
    ended = true;
    Promise.all([stdout, stderr].map((output) => once(output, "end"))).then(() => resolve(outcome), reject);
    stdout.end(line);
    stderr.end();
  }

  const stdin = new Writable({
    write: (_chunk, _encoding, done) => done(),
    final: (done) => {
      const line = `simulated sliver ${plan.id} of slice ${plan.slice}: nothing ran: ${command.title ?? command.argv.join(" ")}\n`;
      end({ code: 0 }, line);
      done();
    },
  });
  return {
    stdin,
    stdout,
    stderr,
    exit,
    kill: (signal = "SIGTERM") => end({ code: 128 + constants.signals[signal], signal }),
  };
}
