import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import type { FaultName } from "#shared/model/errors.ts";
import type { Holding } from "#shared/model/ticket.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { writeTicket } from "#shared/wire/ticket-document.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import {
  DAY,
  HOUR,
  type HoldingOverrides,
  KEYS,
  NOW,
  rootTicket,
  type Sealed,
  type SliceTicketOverrides,
  seal,
  sealBody,
  sealedSliceTicket,
  serial,
  sliceTicketUnder,
} from "#test/support/documents.ts";
import { type NodeLab, nodeLab, sshKey } from "./lab/node-lab.ts";
import { assertRefused } from "./lab/refusal.ts";
import { auditOf } from "./lab/store-dump.ts";

/** Each refusal is followed by this: the next good call is served. */
async function assertServes(lab: NodeLab): Promise<void> {
  assert.ok(await lab.alice.newlease({ ticketdata: (await lab.ticket({ slice: "fine" })).text }));
  await lab.alice.deletelease({ slice: "fine" });
}

describe("a ticket is refused", () => {
  let lab: NodeLab;
  before(async () => {
    lab = await nodeLab();
  });
  after(() => lab[Symbol.asyncDispose]());

  async function refused(text: string, name: FaultName, sentence?: RegExp): Promise<void> {
    for (const method of ["newlease", "newleasevm"] as const) {
      const call = () =>
        lab.alice[method]({
          ticketdata: text,
          ...(method === "newleasevm" && { publickey: sshKey() }),
        } as never);
      await assertRefused(lab, call, name, sentence);
    }
    await assertServes(lab);
  }

  test("when it is another principal's", async () => {
    const bobs = await lab.ticket({ to: KEYS.bob });
    await refused(bobs.text, "NOT_PRINCIPAL");
  });

  test("when it is another node's, signed by it or not", async () => {
    const root = seal(
      rootTicket({ node: KEYS.otherNode.public.name, issuer: KEYS.otherNode.public.name }),
      KEYS.otherNode,
    );
    await refused(sealedSliceTicket(root).text, "WRONG_NODE");
    const ours = await lab.root();
    const forged = seal({ ...ours.ticket, node: KEYS.otherNode.public.name, serial: serial(7) }, KEYS.node);
    await refused(sealedSliceTicket(forged).text, "WRONG_NODE");
  });

  test("when it is not valid yet or any more", async () => {
    const early = await lab.ticket({ validity: { start: NOW + 301, end: NOW + HOUR } });
    await refused(early.text, "NOT_YET_VALID");
    const late = await lab.ticket({
      validity: { start: NOW - 300, end: NOW - 299 },
      term: { start: NOW - 200, end: NOW + HOUR },
    });
    lab.clock.advance(1);
    await refused(late.text, "EXPIRED");
    const over = await lab.ticket({
      validity: { start: NOW - 200, end: NOW - 1 },
      term: { start: NOW - 200, end: NOW + 1 },
    });
    await refused(over.text, "EXPIRED");
  });

  test("when its root is one this node never signed, or does not remember", async () => {
    const unknown = seal({ ...(await lab.root()).ticket, serial: serial(8) }, KEYS.node);
    await refused(sealedSliceTicket(unknown).text, "REVOKED");
  });

  test("when it is a holding, a lease or anything else", async () => {
    await refused((await lab.root()).text, "WRONG_TYPE");
    await refused((await lab.holding()).text, "WRONG_TYPE");
    const lease = await lab.alice.newlease({ ticketdata: (await lab.ticket({ slice: "anylease" })).text });
    await refused(lease, "WRONG_TYPE");
    await refused("", "MALFORMED");
    await refused("no ticket at all", "MALFORMED");
  });

  test("when its slice's name is a path, a line or a login", async () => {
    for (const slice of ["../etc", "a\nb", "a b", "root", "Slice", "", "x".repeat(17), "a_", "über"]) {
      const good = sliceTicketUnder(await lab.root(), { serial: serial(9), slice: "placeholder" });
      const body = writeTicket(good).toString().replace("placeholder", slice);
      const { text } = sealBody(Buffer.from(body), KEYS.agent, (await lab.root()).lineage);
      await refused(text, slice === "" ? "MALFORMED" : "BAD_NAME");
    }
  });

  test("when it is sent by somebody who split a slice ticket, or skips a link", async () => {
    const root = await lab.root();
    const good = await lab.ticket({}, await lab.holding());
    assert.ok(good.text);
    const skipping = seal(good.ticket, KEYS.branch, root.lineage);
    await refused(skipping.text, "UNKNOWN_KEY");
    const split = seal({ ...good.ticket, parent: good.id, serial: serial(11) }, KEYS.alice, good.lineage);
    await refused(split.text, "BAD_CHAIN");
  });
});

test("no altered byte of a ticket goes unnoticed", async () => {
  await using lab = await nodeLab();
  const { text } = await lab.ticket();
  const bytes = Buffer.from(text);
  const before = lab.dump();
  // Every byte of the signed body and of the header once, the parents' base64 in steps: it is verified the same way.
  const parents = { from: text.indexOf("parent-base64"), to: text.indexOf("\n\n") };
  const places = [...bytes.keys()].filter((at) => at < parents.from || at >= parents.to || at % 7 === 0);
  for (let i = 0; i < places.length; i += 32) {
    const calls = places.slice(i, i + 32).map(async (at) => {
      const altered = Buffer.from(bytes);
      altered[at] = altered[at]! ^ 1;
      await assert.rejects(
        lab.alice.newlease({ ticketdata: altered.toString("latin1") }),
        /^\w+: \w+/,
        `byte ${at}`,
      );
    });
    await Promise.all(calls);
  }
  assert.equal(lab.dump(), before);
  assert.deepEqual(await lab.backend.list(), []);
  assert.ok(await lab.alice.newlease({ ticketdata: text }));
});

/** Every row of the table in WIRE.md §1: what the holding says, and the ticket that goes one step beyond it. */
const WIDENED: Record<string, (parent: Sealed<Holding>) => SliceTicketOverrides> = {
  issuer_sha256: () => ({ issuer: KEYS.mallory.public.name }),
  node_sha256: () => ({ node: KEYS.otherNode.public.name }),
  ip: () => ({ ip: "127.0.0.2" }),
  slice: () => ({ slice: "princetonx" }),
  "validfrom_time, validto_time": ({ ticket }) => ({
    validity: { start: ticket.validity.start - 1, end: NOW + HOUR },
  }),
  "start_time, end_time": ({ ticket }) => ({
    term: { start: ticket.term.start - 1, end: NOW + HOUR },
    renewableUntil: NOW + HOUR,
  }),
  renewable_until_time: ({ ticket }) => ({ renewableUntil: ticket.term.end + 1 }),
  resources: ({ ticket }) => ({
    resources: { cpuMillis: 1, memoryMib: ticket.resources.memoryMib + 1, diskMib: 1, egressKbps: 1 },
  }),
  ceilings: ({ ticket }) => ({ ceilings: { cpuMillis: ticket.ceilings.cpuMillis! + 1, egressKbps: 1 } }),
  "ceilings dropped": () => ({ ceilings: {} }),
  engine: () => ({ engine: "container" }),
  "engine dropped": () => ({ engine: undefined }),
  image: () => ({ image: "busybox" }),
  "image dropped": () => ({ image: undefined }),
  ports: () => ({ ports: [{ protocol: "tcp", from: 8080, to: 8091 }] }),
  "ports protocol": () => ({ ports: [{ protocol: "udp", from: 8080, to: 8080 }] }),
  administrative: () => ({ administrative: ["CAP_NET_RAW"] }),
};

test("a ticket that goes one step beyond its holding is refused, in every row of the table", async (t) => {
  await using lab = await nodeLab();
  const parent = await lab.holding({
    ...{ slicePrefix: "princeton", engine: "simulated", image: "debian-12", splits: 1 },
    ceilings: { cpuMillis: 2000, egressKbps: 2000 },
    ports: [{ protocol: "tcp", from: 8080, to: 8090 }],
    validity: { start: NOW, end: NOW + 2 * DAY },
    term: { start: NOW, end: NOW + 2 * DAY },
  });
  const within: SliceTicketOverrides = {
    ...{
      slice: "princeton_dns",
      ceilings: { cpuMillis: 2000, egressKbps: 2000 },
      ports: parent.ticket.ports,
    },
    ...{ validity: { start: NOW, end: NOW + HOUR }, term: { start: NOW, end: NOW + DAY } },
  };
  for (const [row, widened] of Object.entries(WIDENED)) {
    await t.test(row, async () => {
      const ticket = await lab.ticket({ ...within, ...widened(parent) }, parent);
      const element = row.replace(/ (dropped|protocol)$/, "");
      const sentence = new RegExp(`the ticket's ${element} goes beyond`);
      await assertRefused(lab, () => lab.alice.newlease({ ticketdata: ticket.text }), "BAD_CHAIN", sentence);
    });
  }
  const upper = await lab.holding({ slicePrefix: "princeton", splits: 2 });
  const { slivers } = upper.ticket.resources;
  const widened: readonly [string, HoldingOverrides][] = [
    ["splits", { splits: 2 }],
    ["resources slivers", { resources: { ...upper.ticket.resources, slivers: slivers + 1 } }],
    ["slice_prefix", { slicePrefix: "prince" }],
    ["slice_prefix", { slicePrefix: undefined }],
  ];
  for (const [row, overrides] of widened) {
    await t.test(`holding: ${row} ${JSON.stringify(overrides)}`, async () => {
      const child = await lab.holding({ to: KEYS.bob, splits: 1, ...overrides }, upper);
      const ticket = await lab.ticket({ slice: "princeton_dns" }, child);
      const sentence = new RegExp(`the ticket's ${row} goes beyond`);
      await assertRefused(lab, () => lab.alice.newlease({ ticketdata: ticket.text }), "BAD_CHAIN", sentence);
    });
  }
  const ticket = await lab.ticket(within, parent);
  assert.ok(await lab.alice.newlease({ ticketdata: ticket.text }), "and exactly as far as it goes is fine");
});

test("a child with a victim's serial and body of its own disturbs nobody", async () => {
  await using lab = await nodeLab();
  const victim = await lab.ticket();
  const lease = await lab.alice.newlease({ ticketdata: victim.text });
  const copy = await lab.ticket({ serial: victim.ticket.serial, slice: "copycat", to: KEYS.bob });
  assert.ok(await lab.bob.newlease({ ticketdata: copy.text }));
  assert.equal(await lab.alice.newlease({ ticketdata: victim.text }), lease);
});

test("certificates that are missing, foreign, expired, weak or made for something else are numbered refusals", async () => {
  await using lab = await nodeLab();
  const { authority } = lab;
  const ticket = await lab.ticket();
  const strangers: [FaultName, { tls: { key: string; cert: string; ca: string } }][] = [
    ["FOREIGN_CERTIFICATE", await authority.foreign("alice")],
    ["FOREIGN_CERTIFICATE", await authority.selfSigned("alice")],
    ["CERTIFICATE_EXPIRED", await authority.expired("alice")],
    ["FOREIGN_CERTIFICATE", await authority.wrongPurpose("alice")],
  ];
  for (const [name, { tls }] of strangers) {
    using connections = new Connections(clientTlsOptions(tls));
    const client = xmlRpcClient(nodeManagerApi, { url: lab.node.url, connections });
    await assertRefused(lab, () => client.newlease({ ticketdata: ticket.text }), name);
  }
  assert.deepEqual(
    auditOf(lab.state).filter(({ outcome }) => outcome !== "done"),
    [],
    "strangers leave no trace that could fill a disk",
  );
  assert.ok(await lab.alice.newlease({ ticketdata: ticket.text }));
});

test("a refusal leaves one row in the audit, and the refusals of years don't fill the disk", async () => {
  await using lab = await nodeLab();
  const bobs = await lab.ticket({ to: KEYS.bob });
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: bobs.text }), "NOT_PRINCIPAL");
  await assert.rejects(lab.alice.getstatus({ slice: "nothing" }), /NO_SLICE/);
  const refusals = auditOf(lab.state).filter(({ outcome }) => outcome !== "done");
  assert.deepEqual(refusals, [
    { action: "newlease", outcome: "NOT_PRINCIPAL", peer: KEYS.alice.public.name },
  ]);
});
