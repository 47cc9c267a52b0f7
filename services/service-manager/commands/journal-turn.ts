import { Fault } from "#shared/model/errors.ts";
import { SliceJournal } from "../journal/slice-journal.ts";
import { checkNotDeleting } from "../journal/slice-owner.ts";
import type { Invocation } from "./invocation.ts";

const ASK_AGAIN_MILLISECONDS = 250;

/**
 * Takes the journal of an existing slice, after any other command that has it now: a slice that is watched and repaired
 * in the background can be worked on all the same. Throws NO_SLICE, SLICE_EXISTS for one that is being deleted, BUSY
 * when the other one has it still after a node's deadline.
 */
export async function openInTurn(
  name: string,
  { home, effort, say }: Pick<Invocation, "home" | "effort" | "say">,
): Promise<SliceJournal> {
  for (let waited = 0; ; waited += ASK_AGAIN_MILLISECONDS) {
    try {
      const journal = await SliceJournal.openExisting(home, name, waited > 0 ? ASK_AGAIN_MILLISECONDS : 0);
      return checked(journal);
    } catch (error) {
      const busy = error instanceof Fault && error.name === "BUSY";
      if (!busy || waited >= effort.deadlineMs) throw error;
      if (waited === 0) say(`waiting for another command that works on slice ${name}`);
      effort.signal.throwIfAborted();
    }
  }
}

function checked(journal: SliceJournal): SliceJournal {
  try {
    checkNotDeleting(journal.record);
    return journal;
  } catch (error) {
    journal[Symbol.dispose]();
    throw error;
  }
}
