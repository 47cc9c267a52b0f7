import { isIP } from "node:net";
import { parseCertificate } from "#shared/identity/certificate.ts";
import { type KeyName, publicKeyOf } from "#shared/identity/key.ts";
import { OperatorError } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import { findPrincipal, type Principal, type Role } from "../store/registry/principals.ts";
import {
  copyRolePrivileges,
  deletePrivilege,
  insertNode,
  insertPrincipal,
  insertPrivilege,
  insertSite,
  type Location,
  setRole,
  setSuspended,
  siteExists,
} from "../store/registry/registry.ts";
import { lockStanding } from "../store/registry/standing.ts";
import {
  type AdministeredBooks,
  type Administrator,
  type CallOfAdministrator,
  callingAdministrator,
  Office,
} from "./office.ts";
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
 * What an administrator decides: who is known and what each may have. Throws OperatorError for what is there already,
 * or refers to what is not there.
 */
export class Registry {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #office: Office;

  /** `by`: who decides; without it, whoever works on the agent's own machine. */
  constructor(database: Database, clock: Clock, by?: Administrator) {
    this.#database = database;
    this.#clock = clock;
    this.#office = new Office(database, clock, by);
  }

  async addSite(name: string): Promise<void> {
    await this.#office.act("add site", { name }, (tx) => insertSite(tx, name, this.#clock.now()));
  }

  async knowsSite(name: string): Promise<boolean> {
    return siteExists(this.#database, name);
  }

  /** With what its role gets, unless `privileges` says otherwise. */
  async addPrincipal(principal: NewPrincipal, privileges?: readonly NewPrivilege[]): Promise<KeyName> {
    const key = keyIn(principal.certificate);
    const now = this.#clock.now();
    const { label, role } = principal;
    return await this.#office.act("add principal", { label, role, name: key.name }, async (tx) => {
      await insertPrincipal(tx, key, principal, now);
      if (!privileges) await copyRolePrivileges(tx, key.name, role, now);
      for (const privilege of privileges ?? []) await insertPrivilege(tx, key.name, privilege, now);
      return key.name;
    });
  }

  async addNode(node: NewNode): Promise<KeyName> {
    const key = keyIn(node.certificate);
    if (isIP(node.ip) === 0) throw new OperatorError(`"${node.ip}" is not an IP address`);
    return await this.#office.act(
      "add node",
      { label: node.label, ip: node.ip, name: key.name },
      async (tx) => {
        await insertPrincipal(tx, key, { ...node, role: "node" }, this.#clock.now());
        await insertNode(tx, key.name, node.ip, node);
        return key.name;
      },
    );
  }

  /** Whether a principal of this label, or of this key, is registered. */
  async knows(labelOrName: string): Promise<boolean> {
    return (await findPrincipal(this.#database, labelOrName)) !== undefined;
  }

  /** `principal`: its label or the name of its key. */
  async grant(principal: string, privilege: NewPrivilege): Promise<number> {
    return await this.#office.act("grant privilege", { principal, ...privilege }, async (tx) => {
      return await insertPrivilege(tx, await nameOf(tx, principal), privilege, this.#clock.now());
    });
  }

  /** Nothing more is issued under it from the moment this resolves. */
  async withdraw(privilege: number): Promise<void> {
    await this.#office.act("withdraw privilege", { privilege }, async (tx) => {
      if (!(await deletePrivilege(tx, privilege)))
        throw new OperatorError(`there is no privilege ${privilege}`);
    });
  }

  /** A suspended principal gets nothing new; for a suspended node nothing new is issued. From the moment this resolves. */
  async suspend(principal: string, suspended: boolean): Promise<void> {
    await this.#office.act(suspended ? "suspend" : "resume", { principal }, async (tx) => {
      const { name, role } = await principalCalled(tx, principal);
      if (role === "node") await lockStanding(tx, name);
      await setSuspended(tx, name, suspended);
    });
  }

  /** Changes what a person or service is. Its privileges stay as they are: grant and withdraw those. */
  async setRole(principal: string, role: NewPrincipal["role"]): Promise<void> {
    await this.#office.act("set role", { principal, role }, async (tx) => {
      const changed = await setRole(tx, await nameOf(tx, principal), role);
      if (!changed) throw new OperatorError("what a node is does not change; retire it instead");
    });
  }
}

/** By its name here, or that of its key. Throws OperatorError. */
export async function nameOf(tx: Tx, labelOrName: string): Promise<KeyName> {
  return (await principalCalled(tx, labelOrName)).name;
}

async function principalCalled(tx: Tx, labelOrName: string): Promise<Principal> {
  const principal = await findPrincipal(tx, labelOrName);
  if (!principal) throw new OperatorError(`there is no principal "${labelOrName}"`);
  return principal;
}

function keyIn(certificate: string) {
  return publicKeyOf(parseCertificate(certificate).publicKey);
}

/** The registry, for whoever calls. */
export function registryOf({ database, clock }: AdministeredBooks, call: CallOfAdministrator): Registry {
  return new Registry(database, clock, callingAdministrator(call));
}
