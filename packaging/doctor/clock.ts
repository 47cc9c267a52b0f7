import { readClockState } from "#services/resource-monitor/clock-state.ts";
import type { Report } from "./finding.ts";

/** By how much a clock may be wrong before somebody should look: terms are in seconds. */
const TOLERATED_MS = 1_000;
const MEND = "apt-get install chrony, or timedatectl set-ntp true; chronyc tracking says how it goes";

/** Whether something keeps the machine's clock right. */
export function checkClock(report: Report, read = readClockState): void {
  const state = read();
  if (!state) {
    report.warning(
      "clock",
      "the kernel does not tell here how well its clock goes",
      "ask on the host itself",
    );
  } else if (!state.synchronised) {
    report.warning("clock", "nothing keeps the clock right; tickets and certificates go by it", MEND);
  } else if ((state.error?.maximumMs ?? 0) > TOLERATED_MS) {
    const seconds = (state.error!.maximumMs / 1000).toFixed(1);
    report.warning("clock", `the clock is kept right, but may be wrong by ${seconds} s`, MEND);
  } else report.well("clock", "it is kept right");
}
