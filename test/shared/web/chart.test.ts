import assert from "node:assert/strict";
import { test } from "node:test";
import { beginning, type Chart, meanOf, roundedUp, runsOf } from "#shared/web/chart.ts";
import { chartJson, chartSection } from "#shared/web/chart-section.ts";
import { pageSections } from "#shared/web/page.ts";

const HOUR = 3600;

/** Two hours with a gap between them, in a chart of four. */
const CHART: Chart = {
  ...{ id: "load", title: "Load <b>", unit: "MiB", from: 0, to: 4 * HOUR, whole: 7 },
  series: [
    {
      ...{ key: "used", title: "In use" },
      spans: [
        { start: 0, end: HOUR, value: 2 },
        { start: 2 * HOUR, end: 3 * HOUR, value: 4 },
        { start: 3 * HOUR, end: 4 * HOUR, value: 6 },
      ],
    },
    { key: "other", title: "Other", spans: [{ start: 0, end: HOUR, value: 1 }] },
  ],
};

test("a curve is drawn in steps, a gap is a gap, and what there is at most has its line", () => {
  const { text } = chartSection(CHART);
  // 960 units are four hours; ten MiB are 200 units, from the bottom.
  assert.match(
    text,
    /curve-0" vector-effect="[a-z-]+" d="M0\.0,160\.0H240\.0M480\.0,120\.0H720\.0V80\.0H960\.0"/,
  );
  assert.match(text, /class="whole" vector-effect="[a-z-]+" d="M0,60\.0H960"/);
  assert.match(text, /<span>10<\/span><span>5<\/span><span>0<\/span>/);
});

test("who sees no picture hears what it shows, and finds it hour by hour in a table", () => {
  const { text } = chartSection(CHART);
  assert.match(
    text,
    /aria-label="Load &lt;b&gt; \(MiB\)\. In use: now 6, between 2 and 6; Other: between 1 and 1\."/,
  );
  const rows = [...text.matchAll(/<tr><th scope="row">1970-01-01 0(\d):00<\/th>(.*)<\/tr>/g)];
  const cells = rows.map(([, hour, row]) => [hour, ...row!.matchAll(/>([\d.–]+)</g)].map(String));
  assert.deepEqual(
    cells.map(([hour]) => hour),
    ["3", "2", "1", "0"],
  );
  assert.ok(
    cells[0]!.some((cell) => cell.startsWith(">6<")) && cells[0]!.some((cell) => cell.startsWith(">–<")),
  );
  assert.ok(
    cells[2]!.slice(1).every((cell) => cell.startsWith(">–<")),
    "nothing is known of the gap",
  );
});

test("what it stands at now is said, and that it is not known where it is not", () => {
  const { text } = chartSection(CHART);
  assert.match(text, /In use: <strong>6 MiB<\/strong>/);
  assert.match(text, /Other: <strong>not known now<\/strong>/);
});

test("charts of which nothing is known are named in one section, where the first would be", () => {
  const [first, second] = [{ ...CHART, id: "a", title: "A", series: [] }, CHART];
  const third = { ...first, id: "b", title: "B" };
  const frame = { service: "S", links: [], path: "/", parameters: new URLSearchParams() };
  const look = { style: "s", script: "s", icon: "i" };
  const sections = pageSections({ title: "T", now: 0, parts: [first, second, third] }, { ...frame, ...look });
  assert.deepEqual([...sections.keys()], ["page-head", "not-known-yet", CHART.id, "page-foot"]);
  const unknown = sections.get("not-known-yet")!;
  assert.match(unknown, /<li>A<\/li><li>B<\/li>/);
  assert.doesNotMatch(unknown, /<svg/);
});

test("programs get the spans themselves", () => {
  assert.deepEqual(chartJson({ ...CHART, series: CHART.series.slice(1) }), {
    ...{ title: "Load <b>", unit: "MiB", whole: 7 },
    series: { other: { title: "Other", spans: [[0, HOUR, 1]] } },
  });
});

test("spans a minute apart are one curve; means count time, not spans; axes end at numbers people count in", () => {
  const spans = [
    { start: 0, end: 10, value: 1 },
    { start: 70, end: 100, value: 3 },
    { start: 161, end: 171, value: 5 },
  ];
  assert.deepEqual(
    runsOf(spans).map((run) => run.length),
    [2, 1],
  );
  assert.equal(meanOf(spans, 0, 100), (10 * 1 + 30 * 3) / 40);
  assert.equal(meanOf(spans, 10, 70), undefined);
  assert.deepEqual([0, 1, 1.1, 3, 19, 21, 480, 1000].map(roundedUp), [1, 1, 2, 5, 20, 25, 500, 1000]);
});

test("a chart goes back as far as anything is known, an hour at least", () => {
  const from = (start: number | undefined) =>
    beginning(start === undefined ? [] : [{ start }], 100_000, 50_000);
  assert.deepEqual([undefined, 99_000, 80_000, 10_000].map(from), [96_400, 96_400, 80_000, 50_000]);
  const { text } = chartSection({ ...CHART, from: 3 * HOUR });
  assert.match(text, /<span>−60 min<\/span><span>−45 min<\/span>/);
});
