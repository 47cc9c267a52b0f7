import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { FlowBudget } from "#services/node-manager/flows/flow-budget.ts";
import { FlowRecords, KEPT_SECONDS } from "#services/node-manager/store/flow-records.ts";
import { formatInstant } from "#shared/model/time.ts";
import { eventually } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { NOW } from "#test/support/documents.ts";
import { nodeLab } from "../lab/node-lab.ts";
import { does, owner } from "../lab/owner.ts";

const SLIVER = "10.128.16.2";
const line = (event: string, from: string, nodePort: number, id: number) =>
  `${event} tcp 6 120 SYN_SENT src=${from} dst=198.51.100.7 sport=40000 dport=25 [UNREPLIED] src=198.51.100.7 dst=192.0.2.1 sport=25 dport=${nodePort} id=${id}`;

test("slicelab node who names the slice of a flow, also after its lease, its node manager's end and a change of hands", async () => {
  await using directory = await temporaryDirectory();
  const script = join(directory.path, "conntrack");
  const lines = [line("[NEW]", SLIVER, 45_001, 1), line("[NEW]", "10.9.9.9", 45_002, 2), "nonsense"];
  const told = lines.map((text) => `echo '${text}'`).join("; ");
  await writeFile(script, `case $1 in -E) ${told}; exec sleep 60;; esac`);
  await using lab = await nodeLab({ conntrack: ["sh", script] });
  const { slice, sliver } = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  lab.backend.addresses = () => new Map([[SLIVER, sliver]]);
  await lab.restart();

  const asked = ["who", "tcp", "45001"];
  const found = await eventually(async () => {
    const text = await does(lab, ...asked);
    return text.includes("198.51.100.7") ? text : undefined;
  });
  assert.match(found, new RegExp(`^${slice} +[0-9a-f]{12} +sent +198.51.100.7 +25 +`, "m"));
  lab.backend.addresses = () => new Map();
  lab.clock.advance(120);
  await eventually(
    async () => /is simulated: nothing runs/.test((await owner(lab, ...asked)).err) || undefined,
  );
  lab.clock.advance(-120);
  await does(lab, "kill", slice);
  lab.backend.addresses = () => new Map();
  await lab.stop();
  assert.match(await does(lab, ...asked), new RegExp(`^${slice} `, "m"), "the record outlives them");
  const then = formatInstant(lab.clock.now() - 3600).replace(" ", "T");
  const before = await owner(lab, ...asked, `${then}Z`);
  assert.doesNotMatch(before.out, new RegExp(slice));
  assert.match(before.err, /no flow by tcp 45001 is recorded of any slice then/);
  assert.match(before.err, /not recorded all that time/, "nobody is cleared by a gap");
  assert.doesNotMatch(await does(lab, ...asked, "--remote", "198.51.100.8"), new RegExp(slice));
  assert.doesNotMatch(await does(lab, "who", "udp", "45001"), new RegExp(slice));
  assert.doesNotMatch(await does(lab, "who", "tcp", "45002"), /198/, "what is no sliver's is not recorded");

  for (const [words, code, sentence] of [
    [["who", "icmp", "1"], 2, /tcp or udp/],
    [["who", "tcp", "70000"], 1, /MALFORMED: .*1 to 65535/],
    [["who", "tcp", "25", "yesterday"], 1, /MALFORMED/],
    [["who", "tcp", "25", "9999-01-31T12:00:00Z"], 1, /still to come; times are in UTC/],
    [["who", "tcp", "25", "--remote", "example.org"], 1, /MALFORMED: .*not an IP address/],
  ] as const) {
    const refused = await owner(lab, ...words);
    assert.equal(refused.code, code, refused.err);
    assert.match(refused.err, sentence);
  }
});

test("nobody fills the record: what a slice begins beyond its share is counted, and the old is forgotten", async () => {
  const budget = new FlowBudget();
  let recorded = 0;
  for (let flow = 0; flow < 30_000; flow += 1) if (budget.take("a", NOW)) recorded += 1;
  assert.equal(recorded, 20_000);
  assert.equal(budget.take("b", NOW), true, "a neighbour has its own");
  assert.equal(budget.take("a", NOW + 1), true, "and it goes on, slowly");
  assert.equal(budget.take("a", NOW + 1), false);

  await using directory = await temporaryDirectory();
  const party = { slice: "s", principal: "p", lease: "l" };
  const flow = {
    protocol: "udp",
    nodePort: 53,
    remote: "r",
    remotePort: 1,
    sent: true,
    sliver: "a",
  } as const;
  const question = { protocol: "udp", port: 53, from: 0, until: NOW + KEPT_SECONDS } as const;
  {
    using records = FlowRecords.open(directory.path);
    records.begin(flow, party, "1", NOW);
    records.begin(flow, party, "2", NOW);
    records.end("1", NOW + 5);
    records.count(party, NOW);
    records.prune(NOW + KEPT_SECONDS + 6);
    assert.equal(records.find(question).length, 1, "what goes on is kept");
    assert.deepEqual(records.countedIn(question), []);
    records.end("2", NOW + 7);
    records.prune(NOW + KEPT_SECONDS + 8);
    assert.deepEqual(records.find(question), []);
  }
  await writeFile(
    join(directory.path, "flows.sqlite"),
    "no database at all, but long enough to be looked at".repeat(40),
  );
  using anew = FlowRecords.open(directory.path);
  assert.deepEqual(anew.find(question), [], "one that can't be read is begun anew");
});
