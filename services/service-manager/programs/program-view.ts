import type { Lease } from "#shared/model/lease.ts";
import { formatInstant } from "#shared/model/time.ts";
import type { Listing } from "../terminal/output.ts";
import type { KeeperAnswer } from "./program-keeper.ts";

/** A program of a sliver, as the sliver says. */
export type ProgramView = {
  readonly lease: Pick<Lease, "node" | "ip">;
  readonly name: string;
  /** `running`, `waiting` (for its next start), `ended`, `new`; `lost`: whatever kept it running was ended. */
  readonly state: string;
  readonly pid?: number;
  readonly restarts: number;
  readonly lastExit?: number;
  /** Since when it has been in that state. */
  readonly since?: number;
  readonly restart: string;
  readonly title: string;
};

/** The programs in what a sliver answered to `ps`. */
export function programViews(lease: Lease, { lines }: KeeperAnswer): ProgramView[] {
  return lines.flatMap(([name, state, pid, starts, exit, since, restart, ...title]) => {
    if (name === undefined || state === undefined || restart === undefined) return [];
    const view = {
      ...{ lease, name, state, restart, title: title.join(" ") },
      restarts: Math.max(0, (numberOf(starts) ?? 0) - 1),
      lastExit: numberOf(exit),
      since: numberOf(since),
    };
    return [state === "running" ? { ...view, pid: numberOf(pid) } : view];
  });
}

export function programListing(rows: readonly ProgramView[]): Listing<ProgramView> {
  return {
    rows,
    columns: [
      { header: "IP", value: ({ lease }) => lease.ip },
      { header: "PROGRAM", value: ({ name }) => name },
      { header: "STATE", value: ({ state }) => state },
      { header: "RESTARTS", value: ({ restarts }) => String(restarts) },
      { header: "LAST EXIT", value: ({ lastExit }) => (lastExit === undefined ? "" : String(lastExit)) },
      { header: "SINCE (UTC)", value: ({ since }) => (since === undefined ? "" : formatInstant(since)) },
      { header: "RESTART", value: ({ restart }) => restart, wide: true },
      { header: "PID", value: ({ pid }) => (pid === undefined ? "" : String(pid)), wide: true },
      { header: "COMMAND", value: ({ title }) => title, wide: true },
    ],
    name: ({ lease, name }) => `${lease.node} ${name}`,
    member: (view) => ({
      node: view.lease.node,
      ip: view.lease.ip,
      program: view.name,
      state: view.state,
      pid: view.pid ?? null,
      restarts: view.restarts,
      last_exit: view.lastExit ?? null,
      since_time: view.since === undefined ? null : formatInstant(view.since),
      restart: view.restart,
      command: view.title,
    }),
  };
}

function numberOf(word: string | undefined): number | undefined {
  return word !== undefined && /^\d{1,15}$/.test(word) ? Number(word) : undefined;
}
