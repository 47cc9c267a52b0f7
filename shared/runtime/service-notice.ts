/** Where whoever started this process wants to be told of its life: systemd's sd_notify(3). Absent: nobody does. */
export const NOTIFY_SOCKET = "NOTIFY_SOCKET";

/** How often a watchdog wants to hear of a process, in microseconds, and of which one: sd_watchdog_enabled(3). */
const WATCHDOG_MICROSECONDS = "WATCHDOG_USEC";
const WATCHDOG_PROCESS = "WATCHDOG_PID";

/** What happened to a service, as sd_notify(3) names it; a status is one line for people. */
export type Notice = "READY=1" | "STOPPING=1" | "WATCHDOG=1" | `STATUS=${string}`;

/** How often, in milliseconds, the watchdog of this process is to be told that it lives. Absent: there is none. */
export function watchdogInterval(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const microseconds = Number(env[WATCHDOG_MICROSECONDS]);
  const ours = env[WATCHDOG_PROCESS] === undefined || env[WATCHDOG_PROCESS] === String(pid);
  return ours && microseconds > 0 ? microseconds / 2000 : undefined; // twice as often as it wants
}
