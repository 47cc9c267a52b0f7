import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";

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
};

export async function acceptedNodes(queries: Queries, names: readonly KeyName[]): Promise<AcceptedNode[]> {
  return await queries.rows<AcceptedNode>(
    `select n.node, n.ip, p.public_key as "publicKey", p.suspended
     from nodes n join principals p on p.name = n.node where n.node = any($1::text[])`,
    [names],
  );
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
  const changed = await tx.run(
    `update nodes set sslport = $2, sshport = $3, engines = $4, images = $5, simulated = $6, version = $7
     where node = $1 and (sslport, sshport, engines, images, simulated, version)
       is distinct from ($2::int, $3::int, $4::text[], $5::text[], $6::boolean, $7::text)`,
    [node, facts.sslport, facts.sshport, facts.engines, facts.images, facts.simulated, facts.version],
  );
  return changed === 1;
}
