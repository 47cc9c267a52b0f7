import { isIP } from "node:net";
import pg from "pg";
import { parseCertificate } from "#shared/identity/certificate.ts";
import { type KeyName, publicKeyOf } from "#shared/identity/key.ts";
import { OperatorError } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import { writeAudit } from "../store/audit.ts";
import { findPrincipal, type Role } from "../store/principals.ts";
import {
  copyRolePrivileges,
  deletePrivilege,
  insertNode,
  insertPrincipal,
  insertPrivilege,
  insertSite,
  type Location,
  setSuspended,
  siteExists,
} from "../store/registry.ts";
import type { Privilege } from "./privilege.ts";

/** A principal to be added: the key comes from its certificate (PEM), and nothing else of it. */
export type NewPrincipal = {
  readonly label: string;
  readonly role: Exclude<Role, "node">;
  readonly certificate: string;
  readonly site?: string;
};

/** A node to be accepted. `ip` is the address its tickets name; no two nodes have the same. */
export type NewNode = Location & {
  readonly label: string;
  readonly certificate: string;
  readonly ip: string;
  readonly site?: string;
};

export type NewPrivilege = Omit<Privilege, "id"> & {
  /** The last moment it holds; absent: until it is withdrawn. */
  readonly validTo?: number;
};

/**
 * What an administrator decides on the agent's own machine: who is known and what each may have. Throws OperatorError
 * for what is there already, or refers to what is not there.
 */
export class Registry {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async addSite(name: string): Promise<void> {
    await this.#change("add site", { name }, (tx) => insertSite(tx, name, this.#clock.now()));
  }

  async knowsSite(name: string): Promise<boolean> {
    return siteExists(this.#database, name);
  }

  /** With what its role gets, unless `privileges` says otherwise. */
  async addPrincipal(principal: NewPrincipal, privileges?: readonly NewPrivilege[]): Promise<KeyName> {
    const key = keyIn(principal.certificate);
    const now = this.#clock.now();
    const { label, role } = principal;
    await this.#change("add principal", { label, role, name: key.name }, async (tx) => {
      await insertPrincipal(tx, key, principal, now);
      if (!privileges) await copyRolePrivileges(tx, key.name, role, now);
      for (const privilege of privileges ?? []) await insertPrivilege(tx, key.name, privilege, now);
    });
    return key.name;
  }

  async addNode(node: NewNode): Promise<KeyName> {
    const key = keyIn(node.certificate);
    if (isIP(node.ip) === 0) throw new OperatorError(`"${node.ip}" is not an IP address`);
    await this.#change("add node", { label: node.label, ip: node.ip, name: key.name }, async (tx) => {
      await insertPrincipal(tx, key, { ...node, role: "node" }, this.#clock.now());
      await insertNode(tx, key.name, node.ip, node);
    });
    return key.name;
  }

  /** Whether a principal of this label, or of this key, is registered. */
  async knows(labelOrName: string): Promise<boolean> {
    return (await findPrincipal(this.#database, labelOrName)) !== undefined;
  }

  /** `principal`: its label or the name of its key. */
  async grant(principal: string, privilege: NewPrivilege): Promise<number> {
    return await this.#change("grant privilege", { principal, ...privilege }, async (tx) => {
      return await insertPrivilege(tx, await nameOf(tx, principal), privilege, this.#clock.now());
    });
  }

  /** Nothing more is issued under it from the moment this resolves. */
  async withdraw(privilege: number): Promise<void> {
    await this.#change("withdraw privilege", { privilege }, async (tx) => {
      if (!(await deletePrivilege(tx, privilege)))
        throw new OperatorError(`there is no privilege ${privilege}`);
    });
  }

  /** A suspended principal gets nothing new; a suspended node is not advertised and gets no tickets. */
  async suspend(principal: string, suspended: boolean): Promise<void> {
    await this.#change(suspended ? "suspend" : "resume", { principal }, async (tx) => {
      await setSuspended(tx, await nameOf(tx, principal), suspended);
    });
  }

  async #change<T>(method: string, detail: object, work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      return await this.#database.transaction(async (tx) => {
        const result = await work(tx);
        const at = this.#clock.milliseconds();
        await writeAudit(tx, { at, who: "operator", method, outcome: "ok", detail: { ...detail } });
        return result;
      });
    } catch (error) {
      throw operatorErrorOf(error);
    }
  }
}

async function nameOf(tx: Tx, labelOrName: string): Promise<KeyName> {
  const principal = await findPrincipal(tx, labelOrName);
  if (!principal) throw new OperatorError(`there is no principal "${labelOrName}"`);
  return principal.name;
}

function keyIn(certificate: string) {
  return publicKeyOf(parseCertificate(certificate).publicKey);
}

/** What the constraints of the schema say, by their names, for whoever typed the command. */
const CONSTRAINTS: Readonly<Record<string, string>> = {
  sites_pkey: "there is a site of that name already",
  sites_name_check: "a site's name is up to 63 of a-z, 0-9, dot, dash, underscore",
  principals_pkey: "the key of that certificate is registered already",
  principals_label_key: "there is a principal of that name already",
  principals_label_check:
    "a name is up to 63 of a-z, 0-9, dot, dash, underscore, beginning with a letter or digit",
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
  privileges_renewable: "the longest renewal is at least as long as the longest lease",
  privileges_lasting: "a privilege has to be valid for a while",
  privileges_capable: "an administrative privilege names capabilities, a conventional one none",
};

function operatorErrorOf(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const sentence = CONSTRAINTS[error.constraint ?? ""];
  return sentence === undefined ? error : new OperatorError(sentence, { cause: error });
}
