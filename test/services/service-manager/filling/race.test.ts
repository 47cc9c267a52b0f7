import assert from "node:assert/strict";
import { test } from "node:test";
import { type Leg, lateAfter } from "#services/service-manager/filling/lateness.ts";
import { type Attempt, type RaceTerms, race } from "#services/service-manager/filling/race.ts";
import { eventually } from "#test/support/deadline.ts";

const LEG: Leg = { name: "running", latest: 1 / 5 };

/** Runners that do nothing until they are told to, on a clock that stands until it is moved. */
function track(terms: Partial<RaceTerms<string>> & { wanted: number }) {
  const running = new Map<string, { finish: (succeeded: boolean) => void; fail: (error: Error) => void }>();
  const begun: string[] = [];
  const ended: string[] = [];
  const clock = { now: 0 };
  const interruption = new AbortController();
  async function attempt(name: string, { signal, begin }: Attempt): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    begun.push(name);
    running.set(name, { finish: resolve, fail: reject });
    begin(LEG);
    try {
      return await promise;
    } finally {
      ended.push(name);
      running.delete(name);
    }
  }
  const end = race<string>({
    deadlineMs: 100_000,
    signal: interruption.signal,
    candidates: [],
    attempt,
    more: async () => [],
    progress: () => {},
    elapsed: () => clock.now,
    ...terms,
  });
  return { running, begun, ended, clock, interruption, end };
}

const until = async (check: () => boolean) => await eventually(async () => check());

test("whoever fails is replaced at once, and no more run than are wanted", async () => {
  const { running, begun, end } = track({ wanted: 2, candidates: ["a", "b", "c", "d"] });
  assert.deepEqual(begun, ["a", "b"]);
  running.get("a")!.finish(false);
  await until(() => running.has("c"));
  running.get("b")!.finish(true);
  running.get("c")!.finish(true);
  assert.deepEqual(await end, { succeeded: ["b", "c"], cutOff: [] });
  assert.deepEqual(begun, ["a", "b", "c"]);
});

test("whoever is late gets a stand-in and goes on beside it; the slower one is cut off", async () => {
  const { running, begun, ended, clock, end } = track({ wanted: 2, candidates: ["slow", "fast", "standby"] });
  clock.now = 500;
  running.get("fast")!.finish(true);
  await until(() => ended.length === 1);
  clock.now = 1500; // its peer took 500 ms: three times that
  assert.deepEqual(begun, ["slow", "fast"]);
  clock.now = 1501;
  await until(() => running.has("standby"));
  assert.ok(running.has("slow"));
  running.get("standby")!.finish(true);
  assert.deepEqual(await end, { succeeded: ["fast", "standby"], cutOff: ["slow"] });
  assert.deepEqual(ended, ["fast", "standby", "slow"]);
});

test("a late one that comes first after all counts, and its stand-in is cut off", async () => {
  const { running, clock, end } = track({ wanted: 1, candidates: ["late", "standby"] });
  clock.now = 20_001; // a fifth of its deadline
  await until(() => running.has("standby"));
  running.get("late")!.finish(true);
  assert.deepEqual(await end, { succeeded: ["late"], cutOff: ["standby"] });
});

test("where everybody is slow, no more than as many again are tried", async () => {
  const candidates = Array.from({ length: 100 }, (_, at) => String(at));
  const { begun, clock, running, end, interruption } = track({ wanted: 10, candidates });
  for (let generation = 1; generation <= 5; generation++) {
    clock.now += 20_001;
    await until(() => begun.length >= Math.min(20, 10 * (generation + 1)));
  }
  assert.equal(begun.length, 20);
  running.get("0")!.finish(false); // a failure is another matter
  await until(() => begun.length === 21);
  interruption.abort(new Error("enough"));
  await assert.rejects(end, /enough/);
  assert.equal(running.size, 0, "nothing is left running");
});

test("more is asked for by one caller at a time, for all that is missing then, until there is no more", async () => {
  const asked: number[] = [];
  const answers = [["a", "b"], ["c"], []];
  const { running, end } = track({
    wanted: 3,
    more: async (count) => {
      asked.push(count);
      return answers.shift() ?? [];
    },
  });
  await until(() => running.size === 3);
  for (const { finish } of [...running.values()]) finish(false);
  assert.deepEqual(await end, { succeeded: [], cutOff: [] });
  assert.deepEqual(asked, [3, 1, 3]);
});

test("a defect ends it all and is thrown, when nothing runs any more", async () => {
  const { running, ended, end } = track({ wanted: 2, candidates: ["a", "b"] });
  running.get("a")!.fail(new TypeError("ours"));
  await assert.rejects(end, TypeError);
  assert.deepEqual(ended, ["a", "b"]);
});

test("with nothing wanted, nobody runs and nobody is asked for", async () => {
  const { begun, end } = track({
    wanted: 0,
    candidates: ["a"],
    more: async () => assert.fail("asked for more"),
  });
  assert.deepEqual([await end, begun], [{ succeeded: [], cutOff: [] }, []]);
});

test("late is after three times the median of half of those wanted, never before a second, at the latest at a share of the deadline", () => {
  const after = (took: number[], wanted: number, deadlineMs = 30_000) =>
    lateAfter(LEG, { took, wanted, deadlineMs });
  assert.equal(after([], 1), 6000);
  assert.equal(after([10, 10, 10, 10], 10), 6000, "too few have done it to say what is usual");
  assert.equal(after([10, 10, 10, 10, 10], 10), 1000);
  assert.equal(after([400, 500, 600], 3), 1500);
  assert.equal(after([1, 2, 500, 20_000, 20_000], 5), 1500, "outliers say nothing");
  assert.equal(after([4000, 4000], 2), 6000);
  assert.equal(after([10, 10], 2, 2000), 400, "a short deadline leaves no second");
});
