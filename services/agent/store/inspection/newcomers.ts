import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";
import type { EnrolmentState } from "../enrolment/enrolments.ts";
import type { NewcomerKind, StoredInvitation } from "../enrolment/invitations.ts";

/** A request to be enrolled, as a page has it. */
export type EnrolmentShown = {
  readonly id: string;
  readonly key: KeyName;
  readonly kind: NewcomerKind;
  readonly state: EnrolmentState;
  /** What it says of itself, or its invitation says of it. */
  readonly name: string | null;
  readonly address: string | null;
  readonly note: string | null;
  readonly from: string;
  readonly asked: Instant;
  readonly expires: Instant;
  readonly invitation: string | null;
  readonly decided: Instant | null;
  readonly reason: string | null;
  /** Who decided, and what it is called here. */
  readonly who: string | null;
  readonly label: string | null;
  /** What its key is called here now. */
  readonly enrolled: string | null;
};

/** Those that wait first, the longest waiting before; then the latest decided. */
export async function enrolmentsShown(queries: Queries, limit: number): Promise<EnrolmentShown[]> {
  return await queries.rows<EnrolmentShown>(
    `select e.id, e.key, e.kind, e.state, coalesce(i.label, e.wished_name) as name, e.wished_address as address, e.note,
       e.came_from as "from", e.asked, e.expires, e.invitation, e.decided, e.reason, e.by as who, d.label,
       p.label as enrolled
     from enrolments e left join invitations i on i.id = e.invitation
       left join principals d on d.name = e.by left join principals p on p.name = e.key
     order by e.decided desc nulls first, e.asked, e.id limit $1`,
    [limit],
  );
}

/** An invitation, as a page has it: nothing of its secret. */
export type InvitationShown = Omit<StoredInvitation, "by"> & {
  /** Who gave it, and what it is called here. */
  readonly who: string;
  readonly giver: string | null;
};

/** The latest first. */
export async function invitationsShown(queries: Queries, limit: number): Promise<InvitationShown[]> {
  return await queries.rows<InvitationShown>(
    `select i.id, i.kind, i.role, i.label, i.site, i.addresses, i.approves, i.uses, i.used, i.by as who, p.label as giver,
       i.created, i.expires, i.withdrawn
     from invitations i left join principals p on p.name = i.by order by i.created desc, i.id limit $1`,
    [limit],
  );
}
