import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import {
  type RevocableLink,
  type RevokedBy,
  refuseRevoked,
  revocationOf,
  revokedFault,
} from "#shared/model/revocation.ts";
import type { Ticket } from "#shared/model/ticket.ts";
import type { Chain } from "#shared/wire/chain.ts";
import { claimedList, type HeldList, openRevocations } from "#shared/wire/revocation-document.ts";
import { RevocationLists } from "#shared/wire/revocation-lists.ts";
import type { NodeTime } from "../node-time.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { StoredList } from "../store/revocation-rows.ts";
import { heldList } from "../store/verification.ts";
import type { Store } from "../store.ts";
import { chainsOfLease, isHolder, revocableLinks, usedBy } from "./links.ts";

export type RevocationDeps = {
  readonly store: Store;
  readonly time: NodeTime;
  /** Keys of the authorities whose certificates the node trusts now. */
  readonly authorities: () => readonly PublicKey[];
  /** The agents that its owner gives something to. */
  readonly agents: readonly KeyName[];
  /** Whether anything is leased or renewed while a list is overdue, and what it was to name is not known. */
  readonly overdue: (typeof OVERDUE_REVOCATIONS)[number];
};

/** What becomes of new leases and renewals while a list is overdue: they are made all the same, or refused. */
export const OVERDUE_REVOCATIONS = ["warn", "refuse"] as const;

/** What is revoked at this node, and what that means for tickets and leases (WIRE.md §1, Revocations). */
export class Revocations {
  readonly #deps: RevocationDeps;
  #lists = new RevocationLists();

  /** With what the store remembers: a node that was away knows at once what it knew before. */
  constructor(deps: RevocationDeps) {
    this.#deps = deps;
    this.load();
  }

  /**
   * Goes by what the store remembers of those who are believed now. An authority that is not trusted any more is not
   * believed in this either: it may have been replaced because somebody else has its key, and revokes everybody.
   */
  load(): void {
    const { store, authorities } = this.#deps;
    const trusted = authorities().map(({ name }) => name);
    const others = store.revocations.all().filter(({ role }) => role !== "node");
    const held = others.map(heldList);
    const lists = new RevocationLists();
    lists.put(...held.filter(({ signer, key }) => signer !== "authority" || trusted.includes(key.name)));
    this.#lists = lists;
  }

  /** Whether an authority has revoked this key: asked at every call. */
  readonly isRevoked = (key: KeyName): boolean => this.#lists.isRevoked(key);

  /** The lists themselves, without those that whoever asks has. */
  documents(except: readonly string[]): string[] {
    return this.#lists.documents(except);
  }

  /** The lists that the node goes by, by their identities. */
  held(): string[] {
    return this.#lists.all.map(({ id }) => id);
  }

  /**
   * Goes by a list from now on; true if it says anything new. `bringer`: who handed it over, under a key that is known
   * from the connection. Nothing changes for a list that is refused: UNKNOWN_KEY for a signer that the node has nothing to
   * do with, and what `openRevocations` and `isNews` throw.
   */
  take(text: string, bringer: { readonly name: KeyName; readonly key: PublicKey }): boolean {
    const { store, time } = this.#deps;
    const { signer, key } = this.#signerOf(text, bringer);
    const list = openRevocations(text, key, signer);
    try {
      if (!this.#lists.isNews(list)) return false;
    } catch (error) {
      if (error instanceof Fault && error.name === "BAD_CHAIN")
        store.transaction((tx) => store.revocations.contradict(tx, stored(list), time.now()));
      throw error;
    }
    store.transaction((tx) => {
      store.revocations.put(tx, stored(list), time.now());
      const at = { atMilliseconds: time.milliseconds(), action: "revocations taken", outcome: "done" };
      const { number, revoked } = list.list;
      const note = `number ${number} of ${signer} ${key.name}, which names ${revoked.length}`;
      store.audit.record(tx, { ...at, peer: bringer.name, note });
    });
    this.#lists.put(list);
    return true;
  }

  /** Lists whose next ones are missing, as the node's owner is told of it. */
  concerns(): string[] {
    const { time } = this.#deps;
    return time.sure() ? this.#lists.concerns(time.now()) : [];
  }

  /**
   * Throws EXPIRED where the node's owner wants that: what was revoked may be kept from this node. Of agents only the lists
   * of those who issued something in these chains count: one that is silent, or wants to do harm, keeps nobody else's
   * tickets from being used.
   */
  #refuseWhileOverdue(links: readonly RevocableLink[]): void {
    const { overdue, time } = this.#deps;
    if (overdue === "warn") return;
    const issuers = new Set(links.map(({ signer }) => signer));
    const held = this.#lists
      .overdue(time.now())
      .find(({ signer, key }) => signer === "authority" || issuers.has(key.name));
    refuseUnless(
      !held,
      "EXPIRED",
      `this node leases and renews nothing while it lacks the latest list of revocations of the ${held?.signer} ${held?.key.name.slice(0, 12)}…; ask its owner, or choose another node`,
    );
  }

  /** Throws REVOKED where anything in the chain of a ticket is revoked; `agent` is the one whose root is above it. */
  refuse({ above, leaf }: Chain<Ticket>, agent: KeyName): void {
    const links = revocableLinks([...above, leaf], agent);
    this.#refuseWhileOverdue(links);
    refuseRevoked(links, this.#lists.all);
  }

  /** Whether anything in a chain is revoked; `agent` is the one whose root is above it. */
  isChainRevoked({ above, leaf }: Chain<Ticket>, agent: KeyName): boolean {
    return revocationOf(revocableLinks([...above, leaf], agent), this.#lists.all) !== undefined;
  }

  /** Throws REVOKED for an agent that nothing is given to any more. */
  refuseAgent(agent: KeyName): void {
    refuseUnless(
      !this.#lists.isRevoked(agent),
      "REVOKED",
      `the authority revoked the key of the agent ${agent.slice(0, 12)}…; take it out of the configuration`,
    );
  }

  /** What revokes a lease: something in every chain that it counts under now or later, whichever member it is for. */
  ofLease(lease: StoredLease): RevokedBy | undefined {
    const members = this.#deps.store.members.of(lease.serial);
    const found = (members.length > 0 ? members : [lease.principal]).map((one) => this.#ofMember(lease, one));
    return found.every((one) => one !== undefined) ? found[0] : undefined;
  }

  /** Members who are revoked, by whom, of a lease that goes on for others. */
  membersRevoked(lease: StoredLease): { readonly member: KeyName; readonly by: RevokedBy }[] {
    return this.#deps.store.members.of(lease.serial).flatMap((member) => {
      const by = this.#ofMember(lease, member);
      return by ? [{ member, by }] : [];
    });
  }

  /** Throws REVOKED for a lease that is not to be renewed. */
  refuseLease(lease: StoredLease): void {
    const { store, time } = this.#deps;
    this.#refuseWhileOverdue(chainsOfLease(store, lease, time.now()).flatMap(({ links }) => links));
    const found = this.ofLease(lease);
    if (found) throw revokedFault(found);
  }

  /** What keeps every ticket of a lease from being any good for this member of it. */
  #ofMember(lease: StoredLease, member: KeyName): RevokedBy | undefined {
    const chains = chainsOfLease(this.#deps.store, lease, this.#deps.time.now());
    const found = chains.map(({ links }) => revocationOf(usedBy(links, member), this.#lists.all));
    return found.every((one) => one !== undefined) ? found[0] : undefined;
  }

  /** As what, and with which key, the signer that a list claims is believed here. */
  #signerOf(
    text: string,
    bringer: { readonly name: KeyName; readonly key: PublicKey },
  ): Pick<HeldList, "signer" | "key"> {
    const name = claimedList(text).signer;
    const authority = this.#deps.authorities().find((key) => key.name === name);
    if (authority) return { signer: "authority", key: authority };
    const held = this.#lists.of(name);
    if (held && held.signer !== "authority") return held;
    refuseUnless(
      bringer.name === name && this.#isHolder(name),
      "UNKNOWN_KEY",
      "this node takes lists of revocations of its authority, and of agents that hold something here and bring their own",
    );
    return { signer: "agent", key: bringer.key };
  }

  /** Whether an agent has anything at this node, by its owner or by another agent. */
  #isHolder(agent: KeyName): boolean {
    const { store, agents } = this.#deps;
    return agents.includes(agent) || isHolder(store, agent);
  }
}

function stored({ signer: role, key, id, list, document }: HeldList): StoredList {
  return { signer: key.name, role, id, number: list.number, key: key.spki, document };
}
