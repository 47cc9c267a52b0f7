import type { KeyName } from "#shared/identity/key.ts";
import { keyText } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import type { Page } from "#shared/web/page.ts";
import { bansOf } from "./bans.ts";
import { leaseCalendar } from "./calendar.ts";
import type { OverviewDeps } from "./overview.ts";
import { leaseTable } from "./tables.ts";

/** What whoever looks has here: the leases it is a member of, and not those it was put out of, with their documents. */
export function ownPage({ store, conditions, self, now }: OverviewDeps, name: KeyName): Page {
  const leases = store.leases.all().filter(({ serial }) => store.members.has(serial, name));
  const documents = leases.map(({ slice, document }) => ({
    id: `lease-${slice}`,
    title: `What this node signed for ${slice}`,
    body: html`<pre tabindex="0">${document}</pre>`,
  }));
  return {
    title: "Your leases",
    now: now(),
    lead: html`On node ${self.ip}, for the key <code>${name}</code>`,
    notices: bansOf(store.bans.all(), name, leases),
    facts: [
      { key: "principal", title: "Name of your key", value: name, show: keyText(name) },
      { key: "leases", title: "Leases", value: leases.length },
    ],
    parts: [leaseTable(leases, store, conditions), leaseCalendar(leases, store, now()), ...documents],
  };
}
