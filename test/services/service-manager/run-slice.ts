import { runServiceManager } from "#services/service-manager/service.ts";
import { type Clock, systemClock } from "#shared/runtime/clock.ts";

/** What one run of the `slice` command came to. */
export type Ran = { readonly code: number; readonly out: string; readonly err: string };

type Terms = {
  readonly env: NodeJS.ProcessEnv;
  /** The machine's own unless given. */
  readonly clock?: Clock;
  /** Ends the command, as Ctrl-C does. */
  readonly signal?: AbortSignal;
};

/** Runs a command line of `slice` in this process, where nobody sees a terminal. */
export async function runSlice(
  argv: readonly string[],
  { env, clock = systemClock(), signal = new AbortController().signal }: Terms,
): Promise<Ran> {
  let [out, err] = ["", ""];
  const code = await runServiceManager(argv, {
    out: async (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    ...{ live: false, env, clock, interrupted: signal },
  });
  return { code, out, err };
}
