import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";

/** Of each authority the latest list that any process of this broker took, as it was signed. */
export async function storedLists(
  queries: Queries,
): Promise<{ readonly signer: KeyName; readonly document: string }[]> {
  return await queries.rows("select signer, document from revocation_lists order by signer");
}

/** In place of an earlier list of the same signer; a later one, which another process may have taken meanwhile, stays. */
export async function saveList(
  queries: Queries,
  list: { readonly signer: KeyName; readonly number: number; readonly document: string },
  now: Instant,
): Promise<void> {
  await queries.run(
    `insert into revocation_lists as held (signer, number, document, received) values ($1, $2, $3, to_timestamp($4))
     on conflict (signer) do update
       set number = excluded.number, document = excluded.document, received = excluded.received
       where held.number < excluded.number`,
    [list.signer, list.number, list.document, now],
  );
}
