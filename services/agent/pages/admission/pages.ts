import type { Instant } from "#shared/model/time.ts";
import { formatInstant } from "#shared/model/time.ts";
import { toned } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import type { Page } from "#shared/web/page.ts";
import { invitationState } from "../../enrolment/invitations.ts";
import type { EnrolmentShown, InvitationShown } from "../../store/inspection/newcomers.ts";
import type { Contradiction, RevokedShown } from "../../store/inspection/revoked.ts";
import type { ListStanding } from "../../store/revocations.ts";
import { enrolmentTable, invitationTable, standingOf } from "./newcomer-tables.ts";
import { listTable, revokedTable } from "./revocation-tables.ts";

export type Newcomers = {
  readonly enrolments: readonly EnrolmentShown[];
  readonly invitations: readonly InvitationShown[];
  /** As many of each are read at most. */
  readonly limit: number;
};

/** Who asks to become known, and who may. */
export function newcomersPage(now: Instant, { enrolments, invitations, limit }: Newcomers): Page {
  const waiting = enrolments.filter((one) => standingOf(one, now) === "waiting").length;
  const open = invitations.filter((one) => invitationState(one, now) === "open").length;
  const cut = enrolments.length === limit || invitations.length === limit;
  return {
    title: "Newcomers",
    now,
    lead: html`What newcomers say of themselves nobody has verified. <code>slicelab admin enrolment approve</code> or <code>refuse</code> decides, by the number of the request or the beginning of it.`,
    notices: cut
      ? [`Only ${limit} requests and the latest ${limit} invitations are shown; there are more.`]
      : [],
    facts: [
      {
        ...{ key: "waiting", title: "Waiting for a decision", value: waiting },
        show: toned(waiting === 0 ? "good" : "warn", waiting),
      },
      { key: "open_invitations", title: "Open invitations", value: open },
    ],
    parts: [enrolmentTable(enrolments, now), invitationTable(invitations, now)],
  };
}

export type Revocation = {
  readonly revoked: readonly RevokedShown[];
  readonly lists: readonly ListStanding[];
  readonly contradictions: readonly Contradiction[];
  /** So many names are read at most. */
  readonly limit: number;
};

/** Whom and what nobody believes any more, and which nodes have heard of it. */
export function revocationsPage(now: Instant, { revoked, lists, contradictions, limit }: Revocation): Page {
  return {
    title: "Revocations",
    now,
    lead: html`What is revoked stays so. <code>slicelab admin revocation</code> revokes principals and tickets of this agent; keys, <code>slicelab authority revoke</code>.`,
    notices: [
      ...contradictions.map(
        ({ signer, number, received }) =>
          `The key ${signer.slice(0, 12)}… signed two different lists with the number ${number}; the second came at ${formatInstant(Math.floor(received))} UTC and is kept as evidence. Ask whoever has the key whether somebody else has it too.`,
      ),
      ...(revoked.length === limit ? [`Only the latest ${limit} names are shown; there are more.`] : []),
    ],
    parts: [listTable(lists, now), revokedTable(revoked)],
  };
}
