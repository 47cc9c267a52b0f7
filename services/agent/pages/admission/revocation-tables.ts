import type { Instant } from "#shared/model/time.ts";
import { ago } from "#shared/web/age.ts";
import { keyText, link, toned, utc } from "#shared/web/cells.ts";
import { type Content, html } from "#shared/web/html.ts";
import { type Table, table } from "#shared/web/table.ts";
import type { RevokedShown } from "../../store/inspection/revoked.ts";
import type { ListStanding } from "../../store/revocations.ts";
import { nodePath, principalPath, slicePath, ticketPath } from "../addresses.ts";

const SIGNERS = { authority: "the authority", agent: "this agent" } as const;

/** What is revoked, by whom, the latest first. */
export function revokedTable(revoked: readonly RevokedShown[]): Table {
  return table<RevokedShown>({
    ...{ id: "revoked", title: "What is revoked", empty: "Nothing is revoked.", rows: revoked },
    columns: [
      { key: "what", title: "What", value: ({ kind }) => kind },
      { key: "called", title: "Called", value: calledOf, show: calledShown },
      { key: "id", title: "Identity", value: ({ id }) => id, show: idShown },
      {
        ...{ key: "since", title: "Since", time: true, value: ({ since }) => Math.floor(since) },
        show: ({ since }) => utc(Math.floor(since)),
      },
      {
        ...{ key: "by", title: "By", value: ({ role }) => SIGNERS[role] },
        show: ({ role, signer }) => html`<span title="${signer}">${SIGNERS[role]}</span>`,
      },
    ],
  });
}

function calledOf({ label, slice }: RevokedShown): string | undefined {
  return label ?? slice ?? undefined;
}

function calledShown({ id, label, slice, isNode }: RevokedShown): Content {
  if (slice !== null) return html`${link(slicePath(slice), slice)}<small>a ticket of it</small>`;
  if (label === null) return html`<span class="tone-plain">not known here</span>`;
  return link(isNode ? nodePath(id) : principalPath(id), label);
}

function idShown({ id, kind, slice }: RevokedShown): Content {
  return kind === "ticket" && slice !== null ? link(ticketPath(id), keyText(id)) : keyText(id);
}

/** So many names of nodes are written out. */
const NAMED = 8;

/** The signed lists, and how far they have come. */
export function listTable(lists: readonly ListStanding[], now: Instant): Table {
  return table<ListStanding>({
    ...{ id: "lists", title: "Signed lists", rows: lists },
    empty:
      "Nobody has signed a list yet: slicelab admin revocation makes this agent's, slicelab authority revoke the authority's.",
    columns: [
      {
        ...{ key: "signer", title: "Signed by", value: ({ role }) => SIGNERS[role] },
        show: ({ role, signer }) => html`${SIGNERS[role]}<small>${signer.slice(0, 12)}…</small>`,
      },
      { key: "number", title: "Number", value: ({ number }) => number },
      { key: "names", title: "Names revoked", value: ({ names }) => names },
      {
        ...{
          key: "received",
          title: "Here since",
          time: true,
          value: ({ received }) => Math.floor(received),
        },
        show: ({ received }) => html`${utc(Math.floor(received))}<small>${ago(now - received)}</small>`,
      },
      {
        ...{ key: "told", title: "Nodes that have it", value: ({ nodes, untold }) => nodes - untold.length },
        show: ({ nodes, untold }) =>
          toned(untold.length === 0 ? "good" : "warn", `${nodes - untold.length} of ${nodes}`),
      },
      {
        ...{
          key: "untold",
          title: "Nodes that have not",
          value: ({ untold }) => untold.join(" ") || undefined,
        },
        show: ({ untold }) => untoldShown(untold),
      },
    ],
  });
}

function untoldShown(untold: readonly string[]): Content {
  if (untold.length === 0) return "none";
  const more = untold.length - NAMED;
  const named = untold.slice(0, NAMED).join(", ");
  return html`<span class="long">${more > 0 ? `${named} and ${more} more` : named}</span>`;
}
