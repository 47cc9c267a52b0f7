import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChainTerms, chainPanel } from "#services/agent/pages/books/chain.ts";
import { holdingPage, holdingsPage, ticketPage, ticketsPage } from "#services/agent/pages/books/pages.ts";
import { auditPage, principalPage, principalsPage } from "#services/agent/pages/people/pages.ts";
import { type Page, pageHtml } from "#shared/web/page.ts";
import { ring } from "#shared/web/ring.ts";
import { timeline } from "#shared/web/timeline.ts";
import { NOW, rootTicket } from "../../../support/documents.ts";

const NASTY = `"><script>alert('1')</script>&\u202e`;
const FRAME = {
  ...{ service: "Slicelab agent", links: [], path: "/", style: "/style.css", script: "/script.js" },
  ...{ icon: "/icon.svg", parameters: new URLSearchParams() },
};

const RESOURCES = { cpuMillis: 1, memoryMib: 1, diskMib: 1, egressKbps: 1 };
const TICKET = {
  ...{
    id: NASTY,
    slice: NASTY,
    principal: NASTY,
    label: NASTY,
    owner: NASTY,
    node: NASTY,
    ip: NASTY,
    site: NASTY,
  },
  ...{
    state: "issued" as const,
    issued: NOW,
    validTo: NOW,
    from: NOW,
    to: NOW + 60,
    released: null,
    settled: null,
  },
  ...{ holding: NASTY, body: NASTY, signer: NASTY, lineage: [NASTY], nodeKey: Buffer.of(), broker: NASTY },
  ...RESOURCES,
};
const HOLDING = {
  ...{ id: NASTY, node: NASTY, ip: NASTY, site: NASTY, issuer: NASTY, from: NASTY, depth: 1, splits: 2 },
  ...{ start: NOW, end: NOW + 60, deposited: NOW, replaced: true, charged: 1, slivers: 2, account: 1 },
  ...{ nodeKey: Buffer.of(), lineage: [NASTY], ...RESOURCES },
};
const GRANT = {
  ...{ id: NASTY, holding: NASTY, node: NASTY, ip: NASTY, holder: NASTY, label: NASTY, state: NASTY },
  ...{ slivers: 1, memoryMib: 1, beneath: 1, end: NOW },
};
const SLIVER = {
  ...{ slice: NASTY, node: NASTY, ip: NASTY, site: NASTY, state: "redeemed" as const, through: NASTY },
  ...{ from: NOW, until: NOW + 60 },
};
const PRINCIPAL = {
  ...{
    name: NASTY,
    sha1: NASTY,
    label: NASTY,
    role: "pi" as const,
    site: NASTY,
    suspended: true,
    added: NOW,
  },
  ...{ names: 1, slices: 1, slivers: 1, revoked: true },
};
const QUOTA = { principal: NASTY, site: NASTY, what: NASTY, most: 1, used: 1 };
const PRIVILEGE = {
  ...{
    id: 1,
    type: NASTY,
    nodes: 1,
    leaseSeconds: 1,
    renewableSeconds: 1,
    capabilities: [NASTY],
    until: NOW,
  },
};
const ENTRY = {
  ...{ id: 1, at: NOW, who: NASTY, label: NASTY, method: NASTY, outcome: NASTY, position: 1 },
  detail: JSON.stringify({ [NASTY]: NASTY }),
};
const SLICE = { slice: NASTY, nodes: 1, issued: 1, redeemed: 1, until: NOW, soonest: NOW, ending: 1 };
const link = {
  id: NASTY,
  ticket: { ...rootTicket(), ip: NASTY, node: NASTY, principal: NASTY, holder: NASTY },
};
const TERMS: ChainTerms = {
  chain: { links: [link] },
  ...{ labels: new Map([[NASTY, NASTY]]), administrator: true },
};

test("whatever a name says, it is only text, on pages for those with certificates too", () => {
  const panels = [
    chainPanel({ ...TERMS, chain: { wrong: NASTY } }),
    timeline("t", NASTY, {
      ...{ now: NOW, beside: NASTY, none: NASTY },
      lanes: [{ name: NASTY, href: NASTY, bars: [{ start: NOW, end: NOW + 9, tone: "good", label: NASTY }] }],
    }),
    timeline("n", NASTY, { now: NOW, beside: NASTY, none: NASTY, lanes: [] }),
    ring("r", NASTY, {
      ...{ middle: NASTY, beside: NASTY },
      spokes: [{ name: NASTY, href: NASTY, tone: "bad", label: NASTY, group: NASTY, through: NASTY }],
    }),
  ];
  const file = { now: NOW, privileges: [PRIVILEGE], quotas: [QUOTA], slices: [SLICE], tickets: [TICKET] };
  const beneath = { tickets: [TICKET], grants: [GRANT], slivers: [SLIVER] };
  const pages: Page[] = [
    { title: NASTY, now: NOW, parts: panels },
    ticketsPage(NOW, [TICKET], true),
    ticketPage(NOW, TICKET, TERMS),
    holdingsPage(NOW, [HOLDING], [GRANT]),
    holdingPage(NOW, HOLDING, beneath, TERMS),
    principalsPage(NOW, [PRINCIPAL], [QUOTA]),
    principalPage({ ...file, principal: PRINCIPAL, entries: [ENTRY] }),
    auditPage(NOW, [ENTRY], [{ day: NASTY, method: NASTY, outcome: NASTY, times: 1 }]),
  ];
  for (const page of pages) {
    const text = pageHtml(page, FRAME);
    assert.ok(!text.includes("<script>") && !text.includes("'1'") && !text.includes("\u202e"), page.title);
    assert.match(text, /&quot;&gt;&lt;script&gt;/);
    assert.doesNotMatch(text, /style=|\son\w+=/);
  }
});
