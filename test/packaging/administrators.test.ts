import assert from "node:assert/strict";
import { test } from "node:test";
import { checkAdministrators } from "#packaging/doctor/administrators.ts";
import { Report } from "#packaging/doctor/finding.ts";

const [ADA, OWN] = ["a".repeat(64), "0".repeat(64)];

test("the doctor says when administrators are named who could see nothing, or who are no people", () => {
  const told = (administrators: readonly string[] | undefined, port?: number) => {
    const report = new Report("broker");
    checkAdministrators(report, { administrators, port, option: "web_tls_port under [listen]", own: OWN });
    return report.findings.map(({ state, mend }) => [state, mend?.split(":")[0]]);
  };
  assert.deepEqual(told(undefined), []);
  assert.deepEqual(told([ADA], 9003), [["well", undefined]]);
  const portless = "write web_tls_port under [listen], where the pages are over TLS";
  assert.deepEqual(told([ADA]), [["warning", portless]]);
  assert.deepEqual(told([ADA, OWN], 9003), [["warning", "write the names of people's keys"]]);
});
