import { insertHolding, openAccount } from "#services/agent/store/holdings.ts";
import { hearNode, saveFacts } from "#services/agent/store/nodes.ts";
import { insertNode, insertPrincipal } from "#services/agent/store/registry.ts";
import type { TicketKeys } from "#services/agent/ticket-keys.ts";
import { generateSigningKey } from "#shared/identity/key-file.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import type { Share } from "#shared/model/resources.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import { openHolding } from "#shared/wire/chain.ts";
import { DAY, rootTicket, seal, serial } from "../../support/documents.ts";
import { FACTS } from "./facts.ts";

/** A node of which there is nothing but its key, its address and what it gave. */
export type FleetNode = { readonly key: SigningKey; readonly name: string; readonly ip: string };

/** Many nodes: accepted in the agent's database, each with a root in its books. */
export async function enrolFleet(
  database: Database,
  keys: TicketKeys,
  clock: Clock,
  { nodes, share = {} }: { nodes: number; share?: Partial<Share> },
): Promise<FleetNode[]> {
  const fleet = await Promise.all(Array.from({ length: nodes }, (_, at) => fleetNode(at)));
  const now = clock.now();
  await database.transaction(async (tx) => {
    for (const node of fleet) {
      const { key, name, ip } = node;
      await insertPrincipal(tx, key.public, { label: ip, role: "node" }, now);
      await insertNode(tx, name, ip, {});
      await saveFacts(tx, name, FACTS);
      await hearNode(tx, name, now);
      const text = rootOf(node, keys.current.public, now, share);
      const { leaf } = openHolding(text, { nodeKey: key.public }, now);
      await insertHolding(tx, leaf, text, await openAccount(tx, name), now);
    }
  });
  return fleet;
}

async function fleetNode(at: number): Promise<FleetNode> {
  const key = await generateSigningKey({ type: "ed25519" });
  return {
    key,
    name: key.public.name,
    ip: `10.${78 + Math.floor(at / 62_500)}.${Math.floor(at / 250) % 250}.${(at % 250) + 1}`,
  };
}

function rootOf(
  { key, name, ip }: FleetNode,
  to: SigningKey["public"],
  now: number,
  share: Partial<Share>,
): string {
  const base = rootTicket();
  const lasting = { start: now - 3600, end: now + 400 * DAY };
  const root = {
    ...base,
    serial: serial(7),
    issuer: name,
    node: name,
    ip,
    principal: to.name,
    principleSha1: to.sha1,
    principalKey: to.spki,
    validity: lasting,
    term: lasting,
    resources: { ...base.resources, ...share },
  };
  return seal(root, key).text;
}
