import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import type { Capability } from "#shared/model/capability.ts";
import { Fault } from "#shared/model/errors.ts";
import type { PortRange } from "#shared/model/ports.ts";
import type { Share } from "#shared/model/resources.ts";
import { type Holding, MAX_SPLITS, type SliceTicket, type Ticket } from "#shared/model/ticket.ts";
import { CLOCK_SLACK, type Instant } from "#shared/model/time.ts";
import type { Chain, ChainAnchor } from "#shared/wire/chain.ts";
import { documentId, parseDocument, signDocument } from "#shared/wire/document.ts";
import { readTicket, writeTicket } from "#shared/wire/ticket-document.ts";
import type { AgentConfig } from "../config.ts";
import type { NodeTime } from "../node-time.ts";
import type { Revocations } from "../revocation/revocations.ts";
import type { StoredRoot } from "../store/root-rows.ts";
import type { Store } from "../store.ts";

/** What the node's owner gives to an agent. */
export type Grant = {
  readonly agent: KeyName;
  readonly share: Share;
  /** Present: it may hand out administrative slices with these capabilities. */
  readonly administrative?: readonly Capability[];
};

export type RootDeps = {
  readonly store: Store;
  readonly identity: SigningKey;
  readonly ip: string;
  /** What the owner gives to each agent now. */
  readonly grants: readonly Grant[];
  /** Ports that tickets may name. */
  readonly ports: readonly PortRange[];
  readonly time: NodeTime;
  readonly revocations: Revocations;
};

export function grantOf({ identity: agent, share, administrative }: AgentConfig): Grant {
  return { agent, share, ...(administrative && { administrative }) };
}

/** The authority over this node, as far as it was handed out (DESIGN.md, "every chain of tickets starts at the node"). */
export type RootsOfNode = {
  /** What chains of tickets are verified from. */
  readonly anchor: ChainAnchor;
  /** The agent whose root stands above a ticket. Throws REVOKED where the node does not stand by that root. */
  agentOf(chain: Chain<Ticket>): KeyName;
  /** Throws NO_PRIVILEGE where the owner does not (any more) let this agent hand out what an administrative ticket has. */
  checkGranted(ticket: SliceTicket, agent: KeyName): void;
  /**
   * The root ticket that an agent should hold now, for its ticket key: the latest one, or a new one where there is
   * none, half its term has passed, or it says something else than the owner wants. Throws CLOCK_UNSURE rather than
   * sign while the clock can't be believed, and REVOKED for an agent whose key the authority has revoked.
   */
  current(grant: Grant, ticketKey: PublicKey): string;
};

const DAY = 86_400;
const ROOT_SECONDS = 400 * DAY;

export function rootsOfNode(deps: RootDeps): RootsOfNode {
  const { store, identity } = deps;

  function agentOf({ above, leaf }: Chain<Ticket>): KeyName {
    const root = store.roots.find((above[0] ?? leaf).id);
    if (root && root.disownedAt === undefined) return root.agent;
    throw new Fault(
      "REVOKED",
      "this node no longer stands by the root ticket at the start of the chain; ask the agent for a new ticket",
    );
  }

  /** A root lasts longer than its owner's mind: what is no longer wanted is not honoured either. */
  function checkGranted({ administrative }: SliceTicket, agent: KeyName): void {
    if (!administrative) return;
    const given = deps.grants.find((grant) => grant.agent === agent)?.administrative ?? [];
    const beyond = administrative.find((capability) => !given.includes(capability));
    if (beyond)
      throw new Fault(
        "NO_PRIVILEGE",
        `this node's owner does not let that agent hand out ${beyond} (any more); ask for a ticket without it, or the owner`,
      );
  }

  function current(grant: Grant, ticketKey: PublicKey): string {
    deps.revocations.refuseAgent(grant.agent);
    const earlier = store.roots.ofAgent(grant.agent);
    const latest = earlier.find(
      (root) => root.disownedAt === undefined && holdingOf(root).principal === ticketKey.name,
    );
    if (latest && isAsWanted(deps, holdingOf(latest), grant)) return latest.document;
    return signRoot(deps, grant, ticketKey, earlier);
  }

  return {
    anchor: { nodeKey: identity.public, rootById: (id) => store.roots.find(id)?.document },
    agentOf,
    checkGranted,
    current,
  };
}

function isAsWanted({ ip, ports, time }: RootDeps, root: Holding, grant: Grant): boolean {
  const half = root.term.start + ROOT_SECONDS / 2;
  const said = [root.resources, root.ports, root.ip, new Set(root.administrative)];
  const same = isDeepStrictEqual(said, [grant.share, ports, ip, new Set(grant.administrative)]);
  return same && time.now() < half;
}

/**
 * Signs and records a root. It replaces the agent's last one for the same key, and shares an account with every root
 * this agent was given, whatever its key: a new key is no second share.
 */
function signRoot(deps: RootDeps, grant: Grant, key: PublicKey, earlier: readonly StoredRoot[]): string {
  const { store, identity, time } = deps;
  const now = time.sureNow();
  const replaced = earlier.find((root) => holdingOf(root).principal === key.name);
  const holding = newRoot(deps, { grant, key, replaces: replaced?.id, now });
  const body = writeTicket(holding);
  const id = documentId(body);
  const document = signDocument(identity, body);
  store.transaction((tx) => {
    store.holdings.record(
      tx,
      id,
      holding,
      document,
      earlier.map((root) => root.id),
    );
    store.roots.insert(tx, id, grant.agent, now);
    store.audit.record(tx, {
      ...{
        atMilliseconds: time.milliseconds(),
        peer: "node",
        action: "root signed",
        outcome: "done",
        ticket: id,
      },
      note: `for agent ${grant.agent}`,
    });
    store.recordTime(tx, now);
  });
  return document;
}

type NewRoot = {
  readonly grant: Grant;
  readonly key: PublicKey;
  readonly replaces?: string;
  readonly now: Instant;
};

/** Its term starts a little earlier, so that an agent whose clock is behind can split it at once. */
function newRoot({ identity, ip, ports }: RootDeps, { grant, key, replaces, now }: NewRoot): Holding {
  const term = { start: now - CLOCK_SLACK, end: now - CLOCK_SLACK + ROOT_SECONDS };
  return {
    kind: "holding",
    serial: randomBytes(16).toString("hex"),
    replaces,
    issuer: identity.public.name,
    principal: key.name,
    principleSha1: key.sha1,
    principalKey: key.spki,
    splits: MAX_SPLITS,
    node: identity.public.name,
    ip,
    validity: term,
    term,
    resources: grant.share,
    ceilings: {},
    ports,
    ...(grant.administrative && { administrative: grant.administrative }),
    overbooking: 1000,
  };
}

/** What a root of ours says: its signature was made here, or verified when the store was opened. */
function holdingOf(root: StoredRoot): Holding {
  return readTicket(parseDocument(root.document)) as Holding;
}
