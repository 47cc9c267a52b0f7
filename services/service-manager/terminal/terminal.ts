import type { Clock } from "#shared/runtime/clock.ts";
import { printable } from "#shared/runtime/printable.ts";
import type { Progress } from "../network/fan-out.ts";

/** What a command speaks to: data goes to `out`, everything else to `err`. */
export type Terminal = {
  /** Resolves when more may be written. */
  readonly out: (text: string) => Promise<void>;
  readonly err: (text: string) => void;
  /** Whether a line on `err` can be written over. */
  readonly live: boolean;
  /** Whether `out` is a terminal that shows colours. */
  readonly colours?: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** Aborted with the reason when the user ends the command. */
  readonly interrupted: AbortSignal;
};

const LINE_START = "\r\x1b[K";

/** One line that says how far everything is: a line for every node would be noise. */
export type ProgressLine = { readonly progress: Progress; clear(): void };

export function progressLine(terminal: Pick<Terminal, "err" | "live">, quiet: boolean): ProgressLine {
  if (!terminal.live || quiet) return { progress: () => undefined, clear: () => undefined };
  let shown = "";
  return {
    progress(step, done, total, failed) {
      const count = `: ${done} of ${total}${failed > 0 ? `, ${failed} failed` : ""}`;
      const line = total === 0 ? step : step + count;
      if (line === shown) return;
      shown = line;
      terminal.err(`${LINE_START}${printable(line)}`);
    },
    clear() {
      if (shown) terminal.err(LINE_START);
      shown = "";
    },
  };
}
