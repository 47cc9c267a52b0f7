import pg from "pg";
import type { KeyName } from "#shared/identity/key.ts";
import { Fault, OperatorError, refuseUnless } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import type { Replay } from "#shared/wire/xmlrpc/replay.ts";
import { keepAnswer } from "../kept-answer.ts";
import { writeAudit } from "../store/audit/audit.ts";
import { lockPrincipal } from "../store/registry/principals.ts";

/** In whose name an agent's books are changed. */
export type Administrator = {
  readonly who: KeyName | "operator";
  /** Called first in the transaction of each change. Throws where this is no administrator, at that moment. */
  authorise(tx: Tx): Promise<void>;
  /** Called last in it, with what is answered. */
  remember(tx: Tx, answer: unknown): Promise<void>;
};

/** Whoever works on the agent's own machine: may do everything, and is answered on the terminal. */
export const OPERATOR: Administrator = {
  who: "operator",
  authorise: async () => undefined,
  remember: async () => undefined,
};

/** What a change is answered that has nothing to tell. */
export const DONE = 1 as const;

export type CallOfAdministrator = {
  readonly peer: { readonly name: KeyName };
  readonly replay?: Replay;
  readonly now: Instant;
};

/** Somebody who calls over the wire: looked up in the transaction, and locked until it ends. */
export function callingAdministrator({ peer, replay, now }: CallOfAdministrator): Administrator {
  return {
    who: peer.name,
    async authorise(tx) {
      const principal = await lockPrincipal(tx, peer.name);
      refuseUnless(
        principal,
        "NOT_PRINCIPAL",
        "this agent does not know your key; ask its administrator to add you",
      );
      refuseUnless(
        principal.role === "administrator",
        "NO_PRIVILEGE",
        "only administrators of this agent may do this; ask one of them",
      );
      refuseUnless(!principal.suspended, "SUSPENDED", "another administrator has suspended you; ask why");
    },
    async remember(tx, answer) {
      await keepAnswer(tx, replay, answer, now);
    },
  };
}

/** What the acts of administrators are done in. */
export type AdministeredBooks = { readonly database: Database; readonly clock: Clock };

/** The office of whoever calls. */
export function officeOf({ database, clock }: AdministeredBooks, call: CallOfAdministrator): Office {
  return new Office(database, clock, callingAdministrator(call));
}

/**
 * Where an agent's books are administered: each act is one transaction in which its administrator is looked up, the
 * change made and its audit written; all of it or nothing. Throws OperatorError for what is there already, or refers to
 * what is not there.
 */
export class Office {
  readonly clock: Clock;
  readonly #database: Database;
  readonly #by: Administrator;

  constructor(database: Database, clock: Clock, by: Administrator = OPERATOR) {
    this.#database = database;
    this.clock = clock;
    this.#by = by;
  }

  /** Who acts. */
  get who(): Administrator["who"] {
    return this.#by.who;
  }

  /** `act`: what the audit calls it; `detail`: what it says besides. What `work` returns is what is answered. */
  async act<T>(act: string, detail: object, work: (tx: Tx) => Promise<T>): Promise<T> {
    const by = this.#by;
    try {
      return await this.#database.transaction(async (tx) => {
        await by.authorise(tx);
        const result = await work(tx);
        const at = this.clock.milliseconds();
        await writeAudit(tx, { at, who: by.who, method: act, outcome: "ok", detail: { ...detail } });
        await by.remember(tx, result ?? DONE);
        return result;
      });
    } catch (error) {
      throw operatorErrorOf(error);
    }
  }

  /** Reads as an administrator; nothing is written. */
  async read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return await this.#database.transaction(async (tx) => {
      await this.#by.authorise(tx);
      return await work(tx);
    });
  }
}

/** A mistake of an administrator, as a caller is told of it. */
export function faultOfMistake(error: unknown): unknown {
  return error instanceof OperatorError ? new Fault("MALFORMED", error.message, { cause: error }) : error;
}

/** The answer to a change. A mistake of the caller's is told as one. */
export async function told<T>(change: Promise<T>): Promise<T> {
  try {
    return await change;
  } catch (error) {
    throw faultOfMistake(error);
  }
}

/** The same for one that has nothing to tell. */
export async function done(change: Promise<void>): Promise<typeof DONE> {
  await told(change);
  return DONE;
}

/** What the constraints of the schema say, by their names, for whoever typed the command. */
const CONSTRAINTS: Readonly<Record<string, string>> = {
  sites_pkey: "there is a site of that name already",
  sites_name_check: "a site's name is up to 63 of a-z, 0-9, dot, dash, underscore",
  principals_pkey: "the key of that certificate is registered already",
  principals_public_key_key: "the key of that certificate is registered already",
  principals_label_key: "there is a principal of that name already",
  principals_label_check:
    "a name is up to 63 of a-z, 0-9, dot, dash, underscore, beginning with a letter or digit",
  invitations_label_check:
    "a name is up to 63 of a-z, 0-9, dot, dash, underscore, beginning with a letter or digit",
  invitations_site_fkey: "there is no such site; add it first",
  invitations_secret_sha256_key: "there is an invitation with that secret already; choose another secret",
  invitations_role_check:
    "a person is a researcher, pi or administrator; a service has no role or that of an agent",
  invitations_for_one: "an invitation that says a name or addresses is for one use",
  invitations_approving: "an invitation that approves by itself says which addresses a node or service has",
  invitations_person: "a person has no addresses",
  principals_site_fkey: "there is no such site; add it first",
  nodes_ip_key: "another node has that address",
  privileges_max_nodes_check: "a privilege is for at least one node",
  privileges_max_lease_seconds_check: "a lease lasts at least a second",
  nodes_ip_check: "write the address in its usual form",
  nodes_latitude_check: "a latitude is between -90 and 90",
  nodes_longitude_check: "a longitude is between -180 and 180",
  nodes_whole_place: "a place has both latitude and longitude",
  nodes_country_check: "a country is two lower-case letters",
  nodes_region_check: "a region is up to 32 of a-z, 0-9 and dash",
  nodes_overbooking_range: "a factor of overbooking is from 1000 (none) to 10000 per mille",
  principals_not_revoked: "that key was revoked, and nobody is entered with it any more: it takes a new key",
  principals_revoked_suspended: "its key was revoked, which nobody takes back: it takes a new key",
  privileges_renewable: "the longest renewal is at least as long as the longest lease",
  privileges_lasting: "a privilege has to be valid for a while",
  privileges_capable: "an administrative privilege names capabilities, a conventional one none",
};

function operatorErrorOf(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const sentence = CONSTRAINTS[error.constraint ?? ""];
  return sentence === undefined ? error : new OperatorError(sentence, { cause: error });
}
