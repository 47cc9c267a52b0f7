import assert from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, rename, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { SliceJournal } from "#services/service-manager/journal/slice-journal.ts";
import type { SliceRecord } from "#services/service-manager/journal/slice-record.ts";
import { type HeldTicket, readSlice, sliceNames } from "#services/service-manager/journal/slice-state.ts";
import { type Fault, OperatorError } from "#shared/model/errors.ts";
import { sealLease } from "#shared/wire/lease-document.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { chainOf, KEYS, leaseFor, NOW, serial } from "#test/support/documents.ts";

const NAME = "oceanstore";
const CHAIN = chainOf(2, { slice: NAME });
const TICKET: HeldTicket = CHAIN.leaf;
const LEASE = leaseFor(CHAIN.leaf);
const LEASE_TEXT = sealLease(LEASE, KEYS.node);

function recordOf(overrides: Partial<SliceRecord> = {}): SliceRecord {
  return {
    version: 1,
    name: NAME,
    phase: "creating",
    principal: KEYS.alice.public.name,
    createdAt: NOW,
    requestId: serial(1),
    asksMade: 0,
    asks: [],
    intent: "0".repeat(64),
    files: [],
    count: 1,
    atleast: 1,
    nodes: [{ node: LEASE.node, ip: LEASE.ip, sslport: 8001, site: "", agent: "https://agent/RPC2" }],
    ticketKeys: [KEYS.agent.public.spki.toString("base64")],
    unwanted: [],
    keys: [],
    troubles: [],
    ...overrides,
  };
}

/** A slice with one ticket and, if it is asked for, the lease it became. */
async function begunIn(home: string, { leased = false } = {}): Promise<void> {
  using journal = await SliceJournal.open(home, NAME);
  const files = new Map([["a".repeat(64), Buffer.from("contents")]]);
  await journal.begin({ record: recordOf(), description: "<slice/>", files });
  await journal.keepTicket(TICKET);
  if (leased) await journal.keepLease(LEASE_TEXT, LEASE, KEYS.node.public);
}

const pathOf = (home: string, ...parts: string[]) => join(home, "slices", NAME, ...parts);

function operatorError(sentence: RegExp) {
  return (error: Error) => {
    assert.ok(error instanceof OperatorError, error.stack);
    assert.match(error.message, sentence);
    return true;
  };
}

test("what was written down is there for the next process", async () => {
  await using home = await temporaryDirectory();
  await begunIn(home.path);
  using journal = await SliceJournal.openExisting(home.path, NAME);
  assert.deepEqual(journal.record, recordOf());
  assert.deepEqual(
    [...journal.tickets.values()].map(({ id, text }) => [id, text]),
    [[TICKET.id, TICKET.text]],
  );
  assert.deepEqual(
    journal.redeemable.map(({ id }) => id),
    [TICKET.id],
  );
  assert.equal((await journal.file("a".repeat(64))).toString(), "contents");
  assert.match(await journal.identity(), /^-----BEGIN OPENSSH PRIVATE KEY-----/);
  assert.deepEqual(await sliceNames(home.path), [NAME]);
});

test("everything in it is its owner's alone", async () => {
  await using home = await temporaryDirectory();
  await begunIn(home.path, { leased: true });
  for (const entry of await readdir(home.path, { recursive: true, withFileTypes: true })) {
    const { mode } = await stat(join(entry.parentPath, entry.name));
    const expected = entry.isDirectory() ? 0o700 : 0o600;
    // The lock is an empty file that says nothing.
    if (entry.parentPath !== join(home.path, "locks")) assert.equal(mode & 0o777, expected, entry.name);
  }
});

test("a ticket whose lease was kept is forgotten when it is opened again", async () => {
  await using home = await temporaryDirectory();
  await begunIn(home.path, { leased: true });
  assert.equal(
    (await readSlice(home.path, NAME))?.tickets.size,
    1,
    "as a process killed in between leaves it",
  );
  using journal = await SliceJournal.open(home.path, NAME);
  assert.equal(journal.tickets.size, 0);
  assert.deepEqual(
    [...journal.leases.values()].map(({ lease }) => lease),
    [LEASE],
  );
  assert.deepEqual(await readdir(pathOf(home.path, "tickets")), []);
});

test("what a killed process left half-written is removed, not read", async () => {
  await using home = await temporaryDirectory();
  await begunIn(home.path);
  await writeFile(pathOf(home.path, "tickets", `.x.ticket.${"0".repeat(16)}.unfinished`), "half a tick", {
    mode: 0o600,
  });
  using journal = await SliceJournal.open(home.path, NAME);
  assert.equal(journal.tickets.size, 1);
  assert.deepEqual(await readdir(pathOf(home.path, "tickets")), [`${TICKET.id}.ticket`]);
});

test("a beginning that was not finished is no slice, and is begun again", async () => {
  await using home = await temporaryDirectory();
  await mkdir(pathOf(home.path), { recursive: true, mode: 0o700 });
  await chmod(join(home.path, "slices"), 0o700);
  await writeFile(pathOf(home.path, "identity"), "something", { mode: 0o600 });
  assert.equal(await readSlice(home.path, NAME), undefined);
  await begunIn(home.path);
  assert.ok(await readSlice(home.path, NAME));
});

test("one process has a slice at a time, and every one can have another", async () => {
  await using home = await temporaryDirectory();
  using _one = await SliceJournal.open(home.path, NAME);
  await assert.rejects(SliceJournal.open(home.path, NAME), (error: Fault) => error.name === "BUSY");
  using _other = await SliceJournal.open(home.path, "another");
});

test("a name that is not one never becomes a path", async () => {
  await using home = await temporaryDirectory();
  for (const name of ["../up", "a/b", "", ".", "a\nb", "root", "A"]) {
    await assert.rejects(SliceJournal.open(home.path, name), (error: Fault) => error.name === "BAD_NAME");
    await assert.rejects(
      async () => await readSlice(home.path, name),
      (error: Fault) => error.name === "BAD_NAME",
    );
  }
});

test("changes made at the same time are all there in the end", async () => {
  await using home = await temporaryDirectory();
  await begunIn(home.path);
  {
    using journal = await SliceJournal.open(home.path, NAME);
    const keys = Array.from({ length: 20 }, (_, n) => `ssh-ed25519 AAAA${n}`);
    await Promise.all(
      keys.map((key) => journal.update((record) => ({ ...record, keys: [...record.keys, key] }))),
    );
  }
  assert.equal((await readSlice(home.path, NAME))?.record.keys.length, 20);
});

test("a slice is removed whole", async () => {
  await using home = await temporaryDirectory();
  await begunIn(home.path, { leased: true });
  {
    using journal = await SliceJournal.open(home.path, NAME);
    await journal.remove();
  }
  assert.deepEqual(await readdir(join(home.path, "slices")), []);
  await assert.rejects(
    SliceJournal.openExisting(home.path, NAME),
    (error: Fault) => error.name === "NO_SLICE",
  );
});

/** Everything that another user, or an accident, may have done to the files of a slice. */
const DAMAGES: readonly (readonly [string, RegExp, (home: string) => Promise<void>])[] = [
  [
    "a record others can read",
    /open to others \(mode 644\); run: chmod 600/,
    (home) => chmod(pathOf(home, "slice.json"), 0o644),
  ],
  [
    "a lease others can write",
    /open to others/,
    (home) => chmod(pathOf(home, "leases", `${LEASE.node}.lease`), 0o620),
  ],
  [
    "a ticket others can read",
    /open to others/,
    (home) => chmod(pathOf(home, "tickets", `${TICKET.id}.ticket`), 0o640),
  ],
  [
    "a directory open to others",
    /open to others \(mode 755\); run: chmod 700/,
    (home) => chmod(pathOf(home), 0o755),
  ],
  ["the directory of slices open to others", /open to others/, (home) => chmod(join(home, "slices"), 0o777)],
  [
    "a ticket that is a link",
    /symbolic link/,
    (home) => linked(pathOf(home, "tickets", `${TICKET.id}.ticket`)),
  ],
  [
    "a lease that is a link",
    /symbolic link/,
    (home) => linked(pathOf(home, "leases", `${LEASE.node}.lease`)),
  ],
  ["a record that is a link", /symbolic link/, (home) => linked(pathOf(home, "slice.json"))],
  ["a directory that is a link", /not a directory/, (home) => linked(pathOf(home, "leases"))],
  [
    "an altered lease",
    /altered or damaged \(the signature/,
    (home) => altered(pathOf(home, "leases", `${LEASE.node}.lease`), LEASE.ip),
  ],
  [
    "an altered ticket",
    /altered or damaged/,
    (home) => altered(pathOf(home, "tickets", `${TICKET.id}.ticket`), TICKET.ticket.ip),
  ],
  ["a ticket under another's name", /another ticket than its name says/, renamedTicket],
  [
    "a lease without its node's key",
    /altered or damaged/,
    (home) => writeFile(pathOf(home, "leases", `${LEASE.node}.key`), ""),
  ],
  ["another node's key beside a lease", /not that node's/, foreignKey],
  [
    "a torn record",
    /damaged or of another version/,
    (home) => writeFile(pathOf(home, "slice.json"), '{"version":1,'),
  ],
  [
    "a record of another version",
    /of another version/,
    (home) => writeFile(pathOf(home, "slice.json"), '{"version":2}'),
  ],
  [
    "another slice's record",
    /of another version/,
    (home) => writeFile(pathOf(home, "slice.json"), JSON.stringify(recordOf({ name: "other" }))),
  ],
];

async function linked(path: string): Promise<void> {
  await rename(path, `${path}.real`);
  await symlink(`${path}.real`, path);
}

async function altered(path: string, ip: string): Promise<void> {
  const text = await readFile(path, "utf8");
  assert.ok(text.includes(ip));
  await writeFile(path, text.replace(`<ip>${ip}</ip>`, "<ip>10.77.0.99</ip>"));
}

async function renamedTicket(home: string): Promise<void> {
  const tickets = pathOf(home, "tickets");
  await rename(join(tickets, `${TICKET.id}.ticket`), join(tickets, `${"b".repeat(64)}.ticket`));
}

async function foreignKey(home: string): Promise<void> {
  await writeFile(pathOf(home, "leases", `${LEASE.node}.key`), KEYS.otherNode.public.spki.toString("base64"));
}

for (const [what, sentence, damage] of DAMAGES) {
  test(`${what} is refused, not worked with, and nothing is touched`, async () => {
    await using home = await temporaryDirectory();
    await begunIn(home.path, { leased: true });
    await damage(home.path);
    const before = await readdir(home.path, { recursive: true });
    await assert.rejects(readSlice(home.path, NAME), operatorError(sentence));
    await assert.rejects(SliceJournal.open(home.path, NAME), operatorError(sentence));
    assert.deepEqual(await readdir(home.path, { recursive: true }), before);
  });
}

test("a private key others can read, or that is a link, is not used", async () => {
  await using home = await temporaryDirectory();
  await begunIn(home.path);
  using journal = await SliceJournal.open(home.path, NAME);
  await chmod(pathOf(home.path, "identity"), 0o644);
  await assert.rejects(journal.identity(), operatorError(/open to others/));
  await chmod(pathOf(home.path, "identity"), 0o600);
  await linked(pathOf(home.path, "identity"));
  await assert.rejects(journal.identity(), operatorError(/symbolic link/));
});

test("leases without a record are not taken for a new slice", async () => {
  await using home = await temporaryDirectory();
  await begunIn(home.path, { leased: true });
  await rename(pathOf(home.path, "slice.json"), pathOf(home.path, "lost.json"));
  await assert.rejects(begunIn(home.path), operatorError(/has tickets or leases but no slice.json/));
});
