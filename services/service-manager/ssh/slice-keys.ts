import type { Lease } from "#shared/model/lease.ts";
import type { SliceJournal } from "../journal/slice-journal.ts";
import { addressOf, type SliceRecord } from "../journal/slice-record.ts";
import type { SliceState } from "../journal/slice-state.ts";
import { callOptions, type Effort, type Outcome, onEach } from "../network/fan-out.ts";
import type { Network, NodeConnection } from "../network/network.ts";
import { UsageError } from "../terminal/exit-code.ts";

const PUBLIC_KEY = /^(?:ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}(?: .*)?$/;

/** Type and base64 of a public SSH key's file: one key, its comment left out. Throws UsageError. */
export function readPublicKey(text: string, file: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const [line = ""] = lines;
  if (line.includes("PRIVATE KEY")) {
    throw new UsageError(
      `${file} is a private key, which never leaves its owner; name the file ending in .pub`,
    );
  }
  if (lines.length !== 1 || !PUBLIC_KEY.test(line.trim())) {
    throw new UsageError(`${file} does not hold one public SSH key; name one such as ~/.ssh/id_ed25519.pub`);
  }
  return line.trim().split(" ").slice(0, 2).join(" ");
}

/** Lets one more key into every sliver, those made later too. What is wished is written down first. */
export async function addKey(
  journal: SliceJournal,
  key: string,
  network: Network,
  effort: Effort,
): Promise<Outcome<Lease, void>[]> {
  await journal.update((record) => ({ ...record, keys: [...new Set([...record.keys, key])] }));
  return await onEvery(journal, network, effort, "adding the key", (node, of) =>
    node.api.addkey({ ...of, key }, callOptions(effort)),
  );
}

/** Lets a key in no more, anywhere. */
export async function removeKey(
  journal: SliceJournal,
  key: string,
  network: Network,
  effort: Effort,
): Promise<Outcome<Lease, void>[]> {
  await journal.update((record) => ({ ...record, keys: record.keys.filter((other) => other !== key) }));
  return await onEvery(journal, network, effort, "removing the key", (node, of) =>
    node.api.delkey({ ...of, key }, callOptions(effort)),
  );
}

async function onEvery(
  { leases, record }: { leases: SliceState["leases"]; record: SliceRecord },
  network: Network,
  effort: Effort,
  step: string,
  call: (node: NodeConnection, of: { slice: string; lease_serial: string }) => Promise<unknown>,
): Promise<Outcome<Lease, void>[]> {
  return await onEach(
    step,
    [...leases.values()].map(({ lease }) => lease),
    async (lease) => {
      await call(network.node(addressOf(record, lease.node)), {
        slice: lease.slice,
        lease_serial: lease.serial,
      });
    },
    effort,
  );
}

/** The keys each node lets in, as it says. */
export async function listKeys(
  { leases, record }: SliceState,
  network: Network,
  effort: Effort,
): Promise<Outcome<Lease, readonly string[]>[]> {
  return await onEach(
    "asking nodes",
    [...leases.values()].map(({ lease }) => lease),
    async ({ node, slice }) => {
      const answer = await network
        .node(addressOf(record, node))
        .api.getsshkeys({ slice }, callOptions(effort));
      return answer.keys ?? [];
    },
    effort,
  );
}
