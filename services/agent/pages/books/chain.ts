import { publicKeyFromSpki } from "#shared/identity/key.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import type { Ticket } from "#shared/model/ticket.ts";
import { formatInstant } from "#shared/model/time.ts";
import { keyText, link, toned } from "#shared/web/cells.ts";
import { type Html, html } from "#shared/web/html.ts";
import type { Panel } from "#shared/web/page.ts";
import { openTicket } from "#shared/wire/chain.ts";
import { holdingPath, nodePath, principalPath, slicePath, ticketPath } from "../addresses.ts";

/** A ticket of a chain, from its node's root down, and what it is called. */
export type ChainLink = { readonly id: string; readonly ticket: Ticket };

export type OpenedChain =
  | { readonly links: readonly ChainLink[] }
  /** The fault a reader of it would get. */
  | { readonly wrong: string };

/** Verifies a document with everything above it, as its node would: signatures, hashes, narrowing; not the times. */
export function openChain(text: () => string, nodeKey: Buffer): OpenedChain {
  try {
    const { above, leaf } = openTicket(text(), { nodeKey: publicKeyFromSpki(nodeKey) });
    return { links: [...above, leaf].map(({ id, ticket }) => ({ id, ticket })) };
  } catch (error) {
    if (error instanceof OperatorError) {
      return { wrong: "The ticket key that signed it is not with this agent any more." };
    }
    if (!(error instanceof Fault)) throw error;
    return { wrong: `${error.code} ${error.name}: ${error.sentence}` };
  }
}

export type ChainTerms = {
  readonly chain: OpenedChain;
  /** What keys are called here. */
  readonly labels: ReadonlyMap<string, string>;
  /** Whether who looks may look at holdings too. */
  readonly administrator: boolean;
};

/** Who gave what to whom, from the node down to whoever has it now. */
export function chainPanel({ chain, labels, administrator }: ChainTerms): Panel {
  const [id, title] = ["chain", "Who gave what to whom"];
  if ("wrong" in chain) {
    const body = html`<p>${toned("bad", "The chain does not hold.")} ${chain.wrong}</p>`;
    return { id, title, body };
  }
  const { links } = chain;
  const [root] = links;
  const items = links.flatMap(({ id: document, ticket }) => [
    html`<li class="given">${givenText(document, ticket, administrator)}</li>`,
    html`<li>${holderPart(ticket, labels, administrator)}</li>`,
  ]);
  const node = root!.ticket.node;
  const body = html`<p class="none">${toned("good", "Every signature was verified just now")}, from the node's own down; no link gives more than the one above it.</p>
<ol class="chain"><li><span class="role">node</span><strong>${link(nodePath(node), root!.ticket.ip)}</strong>${keyText(node)}</li>${items}</ol>`;
  return { id, title, body };
}

function givenText(id: string, ticket: Ticket, administrator: boolean): Html {
  const { memoryMib, cpuMillis } = ticket.resources;
  const until = `until ${formatInstant(ticket.term.end)}`;
  if (ticket.kind === "slice") {
    return html`${link(ticketPath(id), "ticket")}<br>${memoryMib} MiB, ${cpuMillis}/1000 core<br>${until}`;
  }
  const name = ticket.parent === undefined ? "root ticket" : "holding";
  const splits = `may be split ${ticket.splits} times`;
  return html`${administrator ? link(holdingPath(id), name) : name}<br>${ticket.resources.slivers} slivers, ${memoryMib} MiB<br>${splits}<br>${until}`;
}

function holderPart(ticket: Ticket, labels: ReadonlyMap<string, string>, administrator: boolean): Html {
  const key = ticket.kind === "holding" ? (ticket.holder ?? ticket.principal) : ticket.principal;
  const label = labels.get(key) ?? labels.get(ticket.principal);
  if (ticket.kind === "slice") {
    const who = label ?? key.slice(0, 12);
    const shown = administrator ? link(principalPath(key), who) : html`${who}`;
    return html`<span class="role">slice</span><strong>${link(slicePath(ticket.slice), ticket.slice)}</strong>${shown}<br>${keyText(key)}`;
  }
  return html`<span class="role">agent</span><strong>${label ?? "not known here"}</strong>${keyText(key)}`;
}

/** The keys a chain names, to be looked up. */
export function keysOf(chain: OpenedChain): string[] {
  if ("wrong" in chain) return [];
  return chain.links.flatMap(({ ticket }) =>
    ticket.kind === "holding" && ticket.holder !== undefined
      ? [ticket.principal, ticket.holder]
      : [ticket.principal],
  );
}
