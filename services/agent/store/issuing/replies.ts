import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import { AlreadyAnswered, type ReplayScope } from "#shared/wire/xmlrpc/replay.ts";

/** An answer to be kept: as it was sent, or where it is a list of tickets, as their ids. */
export type Answer = { readonly reply: Buffer } | { readonly tickets: readonly DocumentId[] };

export type KeptAnswer = { readonly argumentsHash: string; readonly answer: Answer };

/** Keeps an answer in the transaction of the change. Throws AlreadyAnswered where the same call won a race. */
export async function saveAnswer(
  tx: Tx,
  scope: ReplayScope,
  { argumentsHash, answer }: KeptAnswer,
  until: Instant,
): Promise<void> {
  const inserted = await tx.run(
    `insert into replies (peer, signer, method, request_id, arguments_sha256, tickets, reply, keep_until)
     values ($1, $2, $3, $4, $5, $6, $7, to_timestamp($8)) on conflict do nothing`,
    [
      ...keyOf(scope),
      argumentsHash,
      "tickets" in answer ? answer.tickets : null,
      "reply" in answer ? answer.reply : null,
      until,
    ],
  );
  if (inserted === 0) throw new AlreadyAnswered("the same request_id was answered a moment ago");
}

export async function findAnswer(queries: Queries, scope: ReplayScope): Promise<KeptAnswer | undefined> {
  const row = await queries.row<{ arguments_sha256: string; tickets: string[] | null; reply: Buffer | null }>(
    {
      name: "find answer",
      text: `select arguments_sha256, tickets, reply from replies
        where peer = $1 and signer = $2 and method = $3 and request_id = $4`,
    },
    keyOf(scope),
  );
  if (!row) return undefined;
  const answer = row.reply ? { reply: row.reply } : { tickets: row.tickets ?? [] };
  return { argumentsHash: row.arguments_sha256, answer };
}

export async function forgetAnswers(queries: Queries, before: Instant): Promise<void> {
  await queries.run("delete from replies where keep_until < to_timestamp($1)", [before]);
}

function keyOf({ peer, signer, method, requestId }: ReplayScope): string[] {
  return [peer, signer, method, requestId];
}
