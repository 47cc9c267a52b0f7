import type { KeyName } from "#shared/identity/key.ts";
import type { FaultName } from "#shared/model/errors.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import type { SpecificationStruct } from "#shared/wire/broker-api.ts";

/** What is wanted of a request, once and for all its acquisition. */
export type Narrowed = {
  readonly wanted: number;
  readonly atleast: number;
  readonly standby: number;
  /** Nodes the slice has. */
  readonly held: readonly KeyName[];
  readonly avoided: readonly KeyName[];
};

export type NewAcquisition = Narrowed & {
  readonly id: DocumentId;
  readonly principal: KeyName;
  readonly serial: string;
  readonly request: string;
  /** SubjectPublicKeyInfo of the principal. */
  readonly principalKey: Buffer;
  readonly requestEnd: Instant;
};

/** Why an acquisition came to nothing. */
export type Failure = { readonly fault: FaultName; readonly sentence: string };

/** A node, or a whole agent, that did not do what it was asked. */
export type Shortcoming = { readonly node: string; readonly agent: string; readonly reason: string };

/** What is kept of a specification: all but the nodes that tickets were got for. */
export type KeptSpecification = Omit<SpecificationStruct, "chosen" | "standby">;

export type StoredAcquisition = Omit<NewAcquisition, "held" | "avoided"> & {
  readonly held: readonly KeyName[];
  readonly avoided: readonly KeyName[];
  readonly state: "working" | "done" | "failed";
  readonly specification: KeptSpecification | null;
  readonly refused: readonly Shortcoming[];
  readonly fault: FaultName | null;
  readonly sentence: string | null;
  readonly begun: Instant;
  readonly over: Instant | null;
};

/** The right to write of an acquisition, until somebody else takes it. */
export type Claim = { readonly id: DocumentId; readonly number: number };

/** The channel on which ids of acquisitions are told that have come further. */
export const NEWS_CHANNEL = "slicelab_broker_acquisitions";

const COLUMNS = `id, principal, serial, request, principal_key as "principalKey", request_end as "requestEnd", wanted,
  atleast, standby, held, avoided, state, specification, refused, fault, sentence, begun, over`;

/** Keeps others from beginning acquisitions for this principal until the transaction ends. */
export async function lockPrincipal(tx: Tx, principal: KeyName): Promise<void> {
  await tx.run("select pg_advisory_xact_lock(hashtextextended('slicelab broker ' || $1, 0))", [principal]);
}

export async function countOf(tx: Tx, principal: KeyName): Promise<{ working: number; all: number }> {
  const row = await tx.row<{ working: number; all: number }>(
    `select count(*) filter (where state = 'working') as working, count(*) as all
     from acquisitions where principal = $1`,
    [principal],
  );
  return row ?? { working: 0, all: 0 };
}

export async function insertAcquisition(tx: Tx, one: NewAcquisition, now: Instant): Promise<void> {
  await tx.run(
    `insert into acquisitions (id, principal, serial, request, principal_key, request_end, wanted, atleast, standby,
       held, avoided, begun)
     values ($1, $2, $3, $4, $5, to_timestamp($6), $7, $8, $9, $10, $11, to_timestamp($12))`,
    [
      ...[one.id, one.principal, one.serial, one.request, one.principalKey, one.requestEnd],
      ...[one.wanted, one.atleast, one.standby, one.held, one.avoided, now],
    ],
  );
}

export async function findAcquisition(
  queries: Queries,
  id: DocumentId,
): Promise<StoredAcquisition | undefined> {
  return await queries.row<StoredAcquisition>(`select ${COLUMNS} from acquisitions where id = $1`, [id]);
}

/** The acquisition that a principal used this serial for. */
export async function findBySerial(
  queries: Queries,
  principal: KeyName,
  serial: string,
): Promise<StoredAcquisition | undefined> {
  return await queries.row<StoredAcquisition>(
    `select ${COLUMNS} from acquisitions where principal = $1 and serial = $2`,
    [principal, serial],
  );
}

/**
 * Takes an acquisition that is being worked at by nobody, for so long; undefined when there is nothing to take. Time is
 * the database's here, since those who share the work share nothing else.
 */
export async function claim(
  queries: Queries,
  id: DocumentId,
  worker: string,
  seconds: number,
): Promise<Claim | undefined> {
  return await queries.row<Claim>(
    `update acquisitions set worker = $2, claims = claims + 1, claimed_until = now() + make_interval(secs => $3)
     where id = $1 and state = 'working' and (worker is null or claimed_until < now())
     returning id, claims as number`,
    [id, worker, seconds],
  );
}

/** Keeps a claim for so long again; whether it is still ours. */
export async function keepClaim(queries: Queries, { id, number }: Claim, seconds: number): Promise<boolean> {
  const kept = await queries.run(
    `update acquisitions set claimed_until = now() + make_interval(secs => $3)
     where id = $1 and claims = $2 and state = 'working'`,
    [id, number, seconds],
  );
  return kept === 1;
}

/** Lets go of a claim, for others to go on. */
export async function dropClaim(queries: Queries, { id, number }: Claim): Promise<void> {
  await queries.run("update acquisitions set worker = null where id = $1 and claims = $2", [id, number]);
}

/** Locks an acquisition for a change by whoever holds the claim; whether that is still so. */
export async function lockClaimed(tx: Tx, { id, number }: Claim): Promise<boolean> {
  const row = await tx.row(
    "select from acquisitions where id = $1 and claims = $2 and state = 'working' for update",
    [id, number],
  );
  return row !== undefined;
}

/** Keeps what was specified first: an acquisition that is gone on with keeps to it. */
export async function keepSpecification(
  tx: Tx,
  id: DocumentId,
  specification: KeptSpecification,
): Promise<void> {
  await tx.run("update acquisitions set specification = $2 where id = $1 and specification is null", [
    id,
    JSON.stringify(specification),
  ]);
}

export async function addRefused(
  queries: Queries,
  id: DocumentId,
  refused: readonly Shortcoming[],
): Promise<void> {
  await queries.run("update acquisitions set refused = refused || $2::jsonb where id = $1", [
    id,
    JSON.stringify(refused),
  ]);
}

/** Ends an acquisition. The specification is kept where no round got as far as one. */
export async function endAcquisition(
  tx: Tx,
  id: DocumentId,
  end: Failure | undefined,
  now: Instant,
): Promise<void> {
  await tx.run(
    `update acquisitions set state = case when $2::text is null then 'done' else 'failed' end::acquisition_state,
       fault = $2, sentence = $3, over = to_timestamp($4), worker = null
     where id = $1`,
    [id, end?.fault ?? null, end?.sentence ?? null, now],
  );
}

/** Begins a failed acquisition anew. */
export async function reopen(tx: Tx, id: DocumentId): Promise<void> {
  await tx.run(
    `update acquisitions set state = 'working', fault = null, sentence = null, over = null, told = null,
       specification = null, refused = '[]', worker = null
     where id = $1 and state = 'failed'`,
    [id],
  );
}

/** Notes that its principal hears of an end. */
export async function markTold(queries: Queries, id: DocumentId, now: Instant): Promise<void> {
  await queries.run(
    "update acquisitions set told = coalesce(told, to_timestamp($2)) where id = $1 and state <> 'working'",
    [id, now],
  );
}

/** Tells whoever waits that an acquisition has come further, once the transaction is durable. */
export async function tell(queries: Queries, id: DocumentId): Promise<void> {
  await queries.run("select pg_notify($1, $2)", [NEWS_CHANNEL, id]);
}

/** Acquisitions that nobody works at and that are to be worked at now, the oldest first. */
export async function unclaimed(queries: Queries, limit: number): Promise<DocumentId[]> {
  const rows = await queries.rows<{ id: string }>(
    `select id from acquisitions where state = 'working' and (worker is null or claimed_until < now())
       and not exists (select from retries where what = id and next_try > now())
     order by begun limit $1`,
    [limit],
  );
  return rows.map(({ id }) => id);
}

/** Acquisitions that ended well before an instant and whose end nobody has asked for; locked. */
export async function untold(tx: Tx, before: Instant, limit: number): Promise<DocumentId[]> {
  const rows = await tx.rows<{ id: string }>(
    `select id from acquisitions where state = 'done' and told is null and over < to_timestamp($1)
     order by over limit $2 for update skip locked`,
    [before, limit],
  );
  return rows.map(({ id }) => id);
}

/** Forgets what is over, once neither its request nor a ticket of it is good for anything, nor one still to be given back. */
export async function forget(queries: Queries, before: Instant): Promise<number> {
  return await queries.run(
    `delete from acquisitions a
     where state <> 'working' and request_end < to_timestamp($1) and over < to_timestamp($1)
       and not exists (select from tickets t where t.acquisition = a.id and t.valid_to >= to_timestamp($1))`,
    [before],
  );
}

/** Acquisitions by state, tickets that are held or to be given back, asks without an answer: of all brokers here. */
export type Tally = Readonly<
  Record<"working" | "done" | "failed" | "held" | "unwanted" | "doubtful", number>
>;

export async function tally(queries: Queries): Promise<Tally> {
  const row = await queries.row<Tally>(
    `select count(*) filter (where state = 'working') as working, count(*) filter (where state = 'done') as done,
       count(*) filter (where state = 'failed') as failed,
       (select count(*) from tickets where state = 'held') as held,
       (select count(*) from tickets where state = 'unwanted') as unwanted,
       (select count(*) from asks where state = 'doubtful') as doubtful
     from acquisitions`,
  );
  return row ?? { working: 0, done: 0, failed: 0, held: 0, unwanted: 0, doubtful: 0 };
}

/** An acquisition as anybody may see it: how it went, not whose it is. */
export type AcquisitionRecord = Pick<
  StoredAcquisition,
  "state" | "begun" | "over" | "wanted" | "standby" | "fault"
> & {
  /** Tickets that are its principal's. */
  readonly held: number;
};

/** An acquisition as its principal may see it. */
export type OwnAcquisition = AcquisitionRecord &
  Pick<StoredAcquisition, "id" | "atleast" | "refused" | "sentence" | "requestEnd">;

/** An acquisition as the broker's administrators may see it. */
export type AnyAcquisition = OwnAcquisition & Pick<StoredAcquisition, "principal">;

/** Those of one principal, or of everybody, the newest first. */
export async function acquisitionsOf(
  queries: Queries,
  principal: KeyName | undefined,
  limit: number,
): Promise<AnyAcquisition[]> {
  return await queries.rows<AnyAcquisition>(
    `select id, principal, state, begun, over, wanted, atleast, standby, fault, sentence, refused,
       request_end as "requestEnd",
       (select count(*) from tickets t where t.acquisition = a.id and t.state = 'held') as held
     from acquisitions a where $1::text is null or principal = $1 order by begun desc, id limit $2`,
    [principal ?? null, limit],
  );
}

/** The newest first. */
export async function acquisitionRecords(queries: Queries, limit: number): Promise<AcquisitionRecord[]> {
  return await queries.rows<AcquisitionRecord>(
    `select state, begun, over, wanted, standby, fault,
       (select count(*) from tickets t where t.acquisition = a.id and t.state = 'held') as held
     from acquisitions a order by begun desc, id limit $1`,
    [limit],
  );
}
