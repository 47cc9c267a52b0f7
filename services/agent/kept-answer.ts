import type { Instant } from "#shared/model/time.ts";
import type { Tx } from "#shared/runtime/database.ts";
import type { Replay } from "#shared/wire/xmlrpc/replay.ts";
import { saveAnswer } from "./store/issuing/replies.ts";

/** How long an answer that stays true is kept for a repetition of its call. */
const KEEP_SECONDS = 86_400;

/** Keeps an answer, in the transaction that made it true, for whoever sends the same call again. */
export async function keepAnswer(
  tx: Tx,
  replay: Replay | undefined,
  answer: unknown,
  now: Instant,
): Promise<void> {
  await replay?.remember(answer, now + KEEP_SECONDS, ({ scope, argumentsHash, reply, until }) =>
    saveAnswer(tx, scope, { argumentsHash, answer: { reply } }, until),
  );
}
