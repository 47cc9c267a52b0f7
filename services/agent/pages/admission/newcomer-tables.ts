import type { Instant } from "#shared/model/time.ts";
import { keyText, link, note, type Tone, toned, utc } from "#shared/web/cells.ts";
import { type Content, html } from "#shared/web/html.ts";
import { type Column, type Table, table } from "#shared/web/table.ts";
import { invitationState } from "../../enrolment/invitations.ts";
import type { EnrolmentShown, InvitationShown } from "../../store/inspection/newcomers.ts";
import { nodePath, principalPath, sitePath } from "../addresses.ts";
import { whoOf, whoShown } from "../people/who.ts";

/** What became of a request: nobody decides about one whose time is over. */
type Standing = EnrolmentShown["state"] | "ran out";

const STANDINGS: Readonly<Record<Standing, Tone>> = {
  ...{ waiting: "warn", approved: "good", refused: "bad", "ran out": "plain" },
};

export function standingOf({ state, expires }: EnrolmentShown, now: Instant): Standing {
  return state === "waiting" && now >= expires ? "ran out" : state;
}

/** Who asked to be enrolled, those that wait first. */
export function enrolmentTable(enrolments: readonly EnrolmentShown[], now: Instant): Table {
  const standing = (one: EnrolmentShown) => standingOf(one, now);
  return table<EnrolmentShown>({
    ...{ id: "enrolments", title: "Requests to be enrolled", rows: enrolments },
    empty: "Nobody asked to be enrolled.",
    columns: [
      { key: "name", title: "Newcomer", value: nameOf, show: nameShown },
      { key: "kind", title: "Kind", value: ({ kind }) => kind },
      {
        ...{ key: "state", title: "State", value: standing },
        show: (one) => html`${toned(STANDINGS[standing(one)], standing(one))}${note(one.reason ?? "")}`,
      },
      {
        ...{ key: "note", title: "What it says", value: ({ note: said }) => said ?? undefined },
        show: ({ note: said }) => (said === null ? undefined : html`<span class="long">${said}</span>`),
      },
      { key: "address", title: "Address", value: ({ address }) => address ?? undefined },
      { key: "from", title: "Asked from", value: ({ from }) => from },
      time("asked", "Asked", ({ asked }) => asked),
      time("expires", "To be decided by", ({ state, expires }) =>
        state === "waiting" ? expires : undefined,
      ),
      {
        ...{
          key: "by",
          title: "Decided by",
          value: ({ who, label }) => (who === null ? undefined : whoOf({ who, label })),
        },
        show: ({ who, label }) => (who === null ? undefined : whoShown({ who, label })),
      },
      time("decided", "Decided", ({ decided }) => decided ?? undefined),
      {
        ...{ key: "invitation", title: "Invitation", value: ({ invitation }) => invitation ?? "none" },
        show: ({ invitation }) => (invitation === null ? "none" : keyText(invitation)),
      },
      { key: "id", title: "Request", value: ({ id }) => id, show: ({ id }) => html`<code>${id}</code>` },
      { key: "key", title: "Key", value: ({ key }) => key, show: ({ key }) => keyText(key) },
    ],
  });
}

function nameOf({ enrolled, name }: EnrolmentShown): string | undefined {
  return enrolled ?? name ?? undefined;
}

function nameShown({ enrolled, name, key, kind }: EnrolmentShown): Content {
  if (enrolled === null) return name ?? "says no name";
  return link(kind === "node" ? nodePath(key) : principalPath(key), enrolled);
}

const INVITATION_TONES: Readonly<Record<ReturnType<typeof invitationState>, Tone>> = {
  ...{ open: "good", used: "plain", expired: "plain", withdrawn: "warn" },
};

/** What was given out, and what became of it. Of the secrets nothing is known here but their hashes. */
export function invitationTable(invitations: readonly InvitationShown[], now: Instant): Table {
  const state = (one: InvitationShown) => invitationState(one, now);
  return table<InvitationShown>({
    ...{ id: "invitations", title: "Invitations", rows: invitations },
    empty: "None was given out: slicelab admin invitation create gives one.",
    columns: [
      {
        ...{ key: "label", title: "For", value: ({ label }) => label ?? undefined },
        show: ({ label }) => label ?? "whoever brings it",
      },
      { key: "kind", title: "Kind", value: ({ kind }) => kind },
      { key: "role", title: "Role", value: ({ role }) => role ?? "none" },
      {
        ...{ key: "state", title: "State", value: state },
        show: (one) => toned(INVITATION_TONES[state(one)], state(one)),
      },
      {
        ...{ key: "used", title: "Used", value: ({ used }) => used },
        show: ({ used, uses }) => `${used} of ${uses}`,
      },
      {
        ...{
          key: "approves",
          title: "Approval",
          value: ({ approves }) => (approves ? "none needed" : "needed"),
        },
        show: ({ approves }) => (approves ? toned("warn", "none needed") : "needed"),
      },
      {
        ...{ key: "site", title: "Site", value: ({ site }) => site ?? undefined },
        show: ({ site }) => (site === null ? undefined : link(sitePath(site), site)),
      },
      { key: "addresses", title: "Addresses", value: ({ addresses }) => addresses.join(" ") || undefined },
      {
        ...{ key: "by", title: "Given by", value: ({ who, giver }) => whoOf({ who, label: giver }) },
        show: ({ who, giver }) => whoShown({ who, label: giver }),
      },
      time("created", "Given", ({ created }) => created),
      time("expires", "Good until", ({ expires }) => expires),
      { key: "id", title: "Invitation", value: ({ id }) => id, show: ({ id }) => html`<code>${id}</code>` },
    ],
  });
}

function time<Row>(key: string, title: string, value: (row: Row) => Instant | undefined): Column<Row> {
  const whole = (row: Row) => {
    const at = value(row);
    return at === undefined ? undefined : Math.floor(at);
  };
  return { key, title, time: true, value: whole, show: (row) => utc(whole(row)) };
}
