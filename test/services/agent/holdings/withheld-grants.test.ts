import assert from "node:assert/strict";
import { test } from "node:test";
import type { SliceTicket } from "#shared/model/ticket.ts";
import { openTicket } from "#shared/wire/chain.ts";
import { lineageOf, parseDocument, signDocument } from "#shared/wire/document.ts";
import { writeTicket } from "#shared/wire/ticket-document.ts";
import { DAY, serial } from "../../../support/documents.ts";
import { refusal } from "../agent-lab.ts";
import { togetherLab } from "./together-lab.ts";

const PART = ["--slivers", "5", "--memory-mib", "1024", "--disk-mib", "5000", "--cpu-millis", "1000"];

test("an agent that withholds from a node a grant between two others has no more of it than its giver counts", async () => {
  await using lab = await togetherLab({ nodes: 1 });
  const { first, second } = lab;
  const node = first.nodes[0]!;
  const [one] = await lab.grant("--node", "node0", ...PART);
  await second.agent.gather();
  const resources = { cpu_millis: 0, memory_mib: 1024, disk_mib: 512, egress_kbps: 0 };
  const asked = { slice: "one", ntickets: 1, leaselen: DAY, ips: [node.ip], resources };
  const [honest] = await second.bob.newtickets(asked);
  await lab.node(0).newlease({ ticketdata: honest! });

  const [two] = await lab.grant("--renews", one!, ...PART);
  const [three] = await lab.grant("--renews", two!, ...PART);
  assert.deepEqual((await lab.free(0)).first, [15, 3072], "all three are one account");

  const { out } = await second.run("holding", "show", three!);
  const anchor = { nodeKey: node.identity.signingKey.public };
  const { ticket: like } = openTicket(honest!, anchor).leaf as { ticket: SliceTicket };
  const cheat: SliceTicket = { ...like, slice: "two", serial: serial(77), parent: three! };
  const document = parseDocument(out.slice(0, -1));
  const forged = signDocument(second.keys.current, writeTicket(cheat), lineageOf(document));
  await assert.rejects(lab.node(0).newlease({ ticketdata: forged }), refusal("NO_CAPACITY"));
});
