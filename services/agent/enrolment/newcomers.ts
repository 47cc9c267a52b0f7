import { randomBytes } from "node:crypto";
import { publicKeyFromRequest } from "#shared/identity/certificate-request.ts";
import type { KeyName } from "#shared/identity/key.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import { isEnrolmentProof } from "#shared/wire/invitation.ts";
import { type Administrator, Office } from "../registry/office.ts";
import {
  type EnrolmentState,
  enrolmentById,
  enrolmentOfKey,
  insertEnrolment,
  lockEnrolments,
  removeEnrolment,
  type StoredEnrolment,
  strangersWaiting,
} from "../store/enrolment/enrolments.ts";
import type { NewcomerKind, StoredInvitation } from "../store/enrolment/invitations.ts";
import { principalNamed } from "../store/registry/principals.ts";
import { useInvitation } from "./invitations.ts";

/** What somebody asks with who is not known yet. */
export type Application = {
  readonly csr: string;
  readonly invitation?: string;
  readonly kind?: NewcomerKind;
  readonly name?: string;
  readonly address?: string;
  readonly note?: string;
  /** The address it came from. */
  readonly from: string;
};

/** How many requests of people without an invitation may wait at a time, and for how long any request does. */
export type NewcomerLimits = { readonly strangers: number; readonly requestDays: number };

export type NewcomerParts = {
  readonly database: Database;
  readonly clock: Clock;
  /** This agent's key. */
  readonly agent: KeyName;
  readonly limits: NewcomerLimits;
  readonly isRevoked?: (key: KeyName) => boolean;
};

/** Requests without an invitation that may wait from one address. */
const STRANGERS_FROM_ONE_ADDRESS = 10;
const DAY = 86_400;

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const ADDRESS = /^[A-Za-z0-9.:-]+$/;
const CONTROLS = /\p{Cc}|\p{Cf}/u;

/**
 * Takes the requests of people, nodes and services that nobody knows yet. Everything that they say is theirs to say and
 * nobody's to believe; what counts is the key their request is signed with.
 */
export class Newcomers {
  readonly #parts: NewcomerParts;

  constructor(parts: NewcomerParts) {
    this.#parts = parts;
  }

  /**
   * Writes down that somebody asks, once a key. `approves`: nobody need decide. Throws what `publicKeyFromRequest` and
   * `useInvitation` throw, BAD_NAME also for an address the invitation is not for, CERTIFICATE_REVOKED, MALFORMED for a key that is registered already, and
   * RATE_LIMITED where too many strangers wait.
   */
  async ask(
    application: Application,
  ): Promise<{ readonly id: string; readonly state: EnrolmentState; readonly approves: boolean }> {
    checkWords(application);
    const key = publicKeyFromRequest(application.csr).name;
    refuseUnless(
      !this.#parts.isRevoked?.(key),
      "CERTIFICATE_REVOKED",
      "this key was revoked and is never certified again; make a new key",
    );
    const { database, clock } = this.#parts;
    const known = await enrolmentOfKey(database, key);
    if (known && this.#stands(known, application))
      return { id: known.id, state: known.state, approves: false };
    const office = new Office(database, clock, newcomer(key));
    const detail = { name: application.name, kind: application.kind, from: application.from };
    return await office.act("enrol", detail, (tx) => this.#write(tx, key, application));
  }

  async #write(tx: Tx, key: KeyName, application: Application) {
    const now = this.#parts.clock.now();
    await lockEnrolments(tx);
    const known = await enrolmentOfKey(tx, key);
    if (known && this.#stands(known, application))
      return { id: known.id, state: known.state, approves: false };
    refuseUnless(
      !(await principalNamed(tx, key)),
      "MALFORMED",
      "the key of this request is registered at this agent already; use it, or make a new key",
    );
    if (known) await removeEnrolment(tx, known.id);
    const invitation = application.invitation
      ? await useInvitation(tx, application.invitation, now)
      : await this.#admitStranger(tx, application.from);
    const kind = kindOf(application, invitation);
    checkAddress(application, invitation);
    const id = randomBytes(16).toString("hex");
    await insertEnrolment(tx, {
      ...{ id, key, csr: application.csr, kind, invitation: invitation?.id ?? null },
      ...{ wishedName: application.name ?? null, wishedAddress: application.address ?? null },
      ...{ note: application.note ?? null, from: application.from, asked: now },
      expires: now + this.#parts.limits.requestDays * DAY,
    });
    return { id, state: "waiting" as const, approves: invitation?.approves ?? false };
  }

  /** Whether a key's earlier request is the answer to this one: not once an invitation can better it. */
  #stands({ state, expires, invitation }: StoredEnrolment, application: Application): boolean {
    switch (state) {
      case "approved":
        return true;
      case "refused":
        return application.invitation === undefined;
      case "waiting":
        if (this.#parts.clock.now() >= expires) return false;
        return invitation !== null || application.invitation === undefined;
      default:
        return state satisfies never;
    }
  }

  async #admitStranger(tx: Tx, from: string): Promise<undefined> {
    const { limits, clock } = this.#parts;
    const { all, here } = await strangersWaiting(tx, from, clock.now());
    refuseUnless(
      all < limits.strangers && here < STRANGERS_FROM_ONE_ADDRESS,
      limits.strangers === 0 ? "NO_PRIVILEGE" : "RATE_LIMITED",
      limits.strangers === 0
        ? "this agent enrols nobody without an invitation; ask its administrator for one"
        : "as many people without an invitation wait here as may; ask the administrator for an invitation, or try later",
    );
    return undefined;
  }

  /** For whoever proves to hold its key; nobody else learns whether there is such an enrolment. */
  async find(id: string, proof: string): Promise<StoredEnrolment> {
    const { database, clock, agent } = this.#parts;
    const found = await enrolmentById(database, id);
    const isProven = found && isEnrolmentProof(publicKeyFromRequest(found.csr), id, agent, proof);
    if (!found || !isProven) {
      throw new Fault(
        "NOT_PRINCIPAL",
        "there is no enrolment of that name for your key; it may have run out: ask again",
      );
    }
    refuseUnless(
      found.state !== "waiting" || clock.now() < found.expires,
      "EXPIRED",
      "nobody decided about this request in time; ask again",
    );
    return found;
  }
}

/** In whose name a newcomer's request is written: its own, known to nobody. */
function newcomer(key: KeyName): Administrator {
  return { who: key, authorise: async () => undefined, remember: async () => undefined };
}

function kindOf({ kind }: Application, invitation: StoredInvitation | undefined): NewcomerKind {
  refuseUnless(
    !invitation || kind === undefined || kind === invitation.kind,
    "WRONG_TYPE",
    `the invitation is for a ${invitation?.kind}, and you ask as a ${kind}`,
  );
  return invitation?.kind ?? kind ?? "person";
}

/** Somebody has mistyped it then, who would otherwise be certified for a place that it is not at. */
function checkAddress({ address }: Application, invitation: StoredInvitation | undefined): void {
  const invited = invitation?.addresses ?? [];
  refuseUnless(
    address === undefined || invited.length === 0 || invited.includes(address),
    "BAD_NAME",
    `the invitation is for ${invited.join(", ")}, and you say ${address}: say what the invitation does, or ask for another one`,
  );
}

function checkWords({ name, address, note }: Application): void {
  refuseUnless(
    name === undefined || NAME.test(name),
    "BAD_NAME",
    "a name is up to 63 of a-z, 0-9, dot, dash, underscore, beginning with a letter or digit",
  );
  refuseUnless(
    address === undefined || ADDRESS.test(address),
    "BAD_NAME",
    "an address is an IP address or a DNS name",
  );
  refuseUnless(
    note === undefined || !CONTROLS.test(note),
    "MALFORMED",
    "a note is one line, without control characters",
  );
}
