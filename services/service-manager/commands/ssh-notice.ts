import { OperatorError } from "#shared/model/errors.ts";
import type { SliceState } from "../journal/slice-state.ts";
import type { Invocation } from "./invocation.ts";

/** Keeps what ssh is told of a slice up to date; says once how to make ssh read it. */
export async function tellSsh(
  invocation: Invocation,
  state: Pick<SliceState, "record" | "leases">,
): Promise<void> {
  const { sshConfigFile, writeSshConfig } = await import("../ssh/ssh-config.ts");
  try {
    if (!(await writeSshConfig(invocation.home, state))) return;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return invocation.warn(error.message); // the slice is none the worse for it
  }
  const { name } = state.record;
  invocation.say(
    `enter it with: slice ssh ${name}; or put this first in ~/.ssh/config, and use ssh NODE.${name}:`,
  );
  invocation.say(`  Include "${sshConfigFile(invocation.home)}"`);
}
