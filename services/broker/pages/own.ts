import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import { keyText, note, toned, utc } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import type { Page } from "#shared/web/page.ts";
import { type Column, type Table, table } from "#shared/web/table.ts";
import type { AnyAcquisition, Shortcoming } from "../store/acquisitions.ts";
import { TONES } from "./overview.ts";

type Refusal = Shortcoming & Pick<AnyAcquisition, "id" | "principal" | "begun">;

/** What whoever looks had this broker acquire, and who did not do what it was asked. */
export function ownPage(name: KeyName, acquisitions: readonly AnyAcquisition[], now: Instant): Page {
  return {
    title: "Your acquisitions",
    now,
    lead: html`For the key <code>${name}</code>`,
    facts: [
      { key: "principal", title: "Name of your key", value: name, show: keyText(name) },
      { key: "acquisitions", title: "Acquisitions", value: acquisitions.length },
    ],
    parts: [
      acquisitionTable(acquisitions, "This broker remembers none of yours."),
      refusalTable(refusalsOf(acquisitions)),
    ],
  };
}

/** The same of everybody, for those who administer the broker. */
export function everybodysPage(acquisitions: readonly AnyAcquisition[], now: Instant): Page {
  const whose = ownerColumn<{ readonly principal: KeyName }>();
  return {
    title: "Everybody's acquisitions",
    now,
    facts: [
      { key: "acquisitions", title: "Acquisitions", value: acquisitions.length },
      {
        ...{ key: "principals", title: "Principals" },
        value: new Set(acquisitions.map(({ principal }) => principal)).size,
      },
    ],
    parts: [
      acquisitionTable(acquisitions, "No acquisition is remembered.", [whose]),
      refusalTable(refusalsOf(acquisitions), [whose]),
    ],
  };
}

function ownerColumn<Row extends { readonly principal: KeyName }>(): Column<Row> {
  const value = ({ principal }: Row) => principal;
  return { key: "principal", title: "Principal", value, show: (row) => keyText(row.principal) };
}

function refusalsOf(acquisitions: readonly AnyAcquisition[]): Refusal[] {
  return acquisitions.flatMap(({ id, principal, begun, refused }) =>
    refused.map((one) => ({ ...one, id, principal, begun })),
  );
}

function acquisitionTable(
  rows: readonly AnyAcquisition[],
  empty: string,
  more: readonly Column<AnyAcquisition>[] = [],
): Table {
  return table<AnyAcquisition>({
    ...{ id: "acquisitions", title: "Acquisitions", rows, empty },
    columns: [
      ...more,
      { key: "id", title: "Request", value: ({ id }) => id, show: ({ id }) => keyText(id) },
      {
        key: "begun",
        title: "Begun",
        time: true,
        value: ({ begun }) => begun,
        show: ({ begun }) => utc(begun),
      },
      {
        ...{ key: "state", title: "State", value: ({ state }) => state },
        show: ({ state, fault, sentence }) =>
          html`${toned(TONES[state], state)}${note(fault === null ? "" : `${fault}: ${sentence ?? ""}`)}`,
      },
      { key: "wanted", title: "Nodes wanted", value: ({ wanted }) => wanted },
      { key: "atleast", title: "At least", value: ({ atleast }) => atleast },
      { key: "standby", title: "Standbys", value: ({ standby }) => standby },
      { key: "held", title: "Tickets held", value: ({ held }) => held },
      { key: "refused", title: "Refusals", value: ({ refused }) => refused.length },
      {
        ...{ key: "ends", title: "Request ends", time: true, value: ({ requestEnd }) => requestEnd },
        show: ({ requestEnd }) => utc(requestEnd),
      },
    ],
  });
}

function refusalTable(rows: readonly Refusal[], more: readonly Column<Refusal>[] = []): Table {
  return table<Refusal>({
    ...{ id: "refusals", title: "Who did not do what it was asked", empty: "Everybody did.", rows },
    columns: [
      ...more,
      {
        key: "node",
        title: "Node",
        value: ({ node }) => node,
        show: ({ node }) => (node ? keyText(node) : "–"),
      },
      { key: "agent", title: "Agent", value: ({ agent }) => agent, show: ({ agent }) => keyText(agent) },
      {
        ...{ key: "reason", title: "Why", value: ({ reason }) => reason },
        show: ({ reason }) => html`<span class="long">${reason}</span>`,
      },
      { key: "request", title: "Request", value: ({ id }) => id, show: ({ id }) => keyText(id) },
    ],
  });
}
