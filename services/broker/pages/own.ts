import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import { keyText, note, toned, utc } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import type { Page } from "#shared/web/page.ts";
import { table } from "#shared/web/table.ts";
import type { OwnAcquisition, Shortcoming } from "../store/acquisitions.ts";
import { TONES } from "./overview.ts";

type Refusal = Shortcoming & { readonly begun: Instant; readonly id: string };

/** What whoever looks had this broker acquire, and who did not do what it was asked. */
export function ownPage(name: KeyName, acquisitions: readonly OwnAcquisition[], now: Instant): Page {
  const refusals = acquisitions.flatMap(({ id, begun, refused }): Refusal[] =>
    refused.map((one) => ({ ...one, id, begun })),
  );
  return {
    title: "Your acquisitions",
    now,
    lead: html`For the key <code>${name}</code>`,
    facts: [
      { key: "principal", title: "Name of your key", value: name, show: keyText(name) },
      { key: "acquisitions", title: "Acquisitions", value: acquisitions.length },
    ],
    parts: [
      table<OwnAcquisition>({
        ...{ id: "acquisitions", title: "Acquisitions", rows: acquisitions },
        empty: "This broker remembers none of yours.",
        columns: [
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
      }),
      table<Refusal>({
        ...{
          id: "refusals",
          title: "Who did not do what it was asked",
          empty: "Everybody did.",
          rows: refusals,
        },
        columns: [
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
      }),
    ],
  };
}
