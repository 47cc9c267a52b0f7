import type { KeyName } from "#shared/identity/key.ts";
import type { EngineAbilities } from "#shared/model/ability.ts";
import type { PortRange } from "#shared/model/ports.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import { portSet } from "../columns/port-set.ts";

/** A node an administrator has accepted. */
export type AcceptedNode = {
  readonly node: KeyName;
  /** Its registered address. */
  readonly ip: string;
  /** SubjectPublicKeyInfo of its identity key. */
  readonly publicKey: Buffer;
  readonly suspended: boolean;
};

/** What a node says of itself: how it is reached and what it runs. */
export type NodeFacts = {
  readonly sslport: number;
  readonly sshport: number;
  readonly engines: readonly string[];
  readonly images: readonly string[];
  readonly simulated: boolean;
  readonly version: string;
  /** By engine; a node that does not say has none. */
  readonly abilities?: readonly EngineAbilities[];
  /** Ports of its address that no slice gets. */
  readonly kept_ports?: readonly PortRange[];
};

export async function acceptedNodes(queries: Queries, names: readonly KeyName[]): Promise<AcceptedNode[]> {
  return await queries.rows<AcceptedNode>(
    `select n.node, n.ip, p.public_key as "publicKey", p.suspended
     from nodes n join principals p on p.name = n.node where n.node = any($1::text[])`,
    [names],
  );
}

/** Whether a node has this address already. */
export async function isNodeAddress(queries: Queries, ip: string): Promise<boolean> {
  return (await queries.row("select from nodes where ip = $1", [ip])) !== undefined;
}

/** Notes that a node was heard from. False: no such node was accepted. */
export async function hearNode(tx: Tx, node: KeyName, now: Instant): Promise<boolean> {
  const heard = await tx.run(
    {
      name: "hear node",
      text: "update nodes set heard = greatest(heard, to_timestamp($2)) where node = $1",
    },
    [node, now],
  );
  return heard === 1;
}

/** Replaces what is known of a node by what it says. False: it says nothing new. */
export async function saveFacts(tx: Tx, node: KeyName, facts: NodeFacts): Promise<boolean> {
  const { abilities = [], kept_ports: kept = [] } = facts;
  const changed = await tx.run(
    `update nodes set sslport = $2, sshport = $3, engines = $4, images = $5, simulated = $6, version = $7,
       abilities = $8, kept_tcp = $9, kept_udp = $10
     where node = $1 and (sslport, sshport, engines, images, simulated, version, abilities, kept_tcp, kept_udp)
       is distinct from ($2::int, $3::int, $4::text[], $5::text[], $6::boolean, $7::text,
         $8::jsonb, $9::int4multirange, $10::int4multirange)`,
    [
      ...[node, facts.sslport, facts.sshport, facts.engines, facts.images, facts.simulated, facts.version],
      ...[JSON.stringify(abilities), portSet(kept, "tcp"), portSet(kept, "udp")],
    ],
  );
  return changed === 1;
}
