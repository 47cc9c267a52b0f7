import type { ServiceIdentity } from "#shared/identity/service-identity.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import { type Administrator, Office, OPERATOR } from "../registry/office.ts";
import { type EnrolmentState, forgetEnrolments, selfApproving } from "../store/enrolment/enrolments.ts";
import { approve, type CertifiedBy, refuse } from "./decisions.ts";
import { refuseUndecided } from "./invitations.ts";
import { type Application, type NewcomerLimits, Newcomers } from "./newcomers.ts";
import type { Registrar } from "./registrar.ts";

export type ReceptionParts = {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly identity: Pick<ServiceIdentity, "name" | "trust">;
  readonly limits: NewcomerLimits;
  /** Absent: no authority serves this agent. */
  readonly registrar?: Registrar;
  readonly isRevoked?: (key: string) => boolean;
};

/** How long it is remembered that somebody was refused. */
const REMEMBER_REFUSAL_SECONDS = 30 * 86_400;

/** Where newcomers come in: their requests, and the decisions that invitations have made beforehand. */
export class Reception {
  readonly newcomers: Newcomers;
  readonly certifiedBy: CertifiedBy;
  readonly #parts: ReceptionParts;

  constructor(parts: ReceptionParts) {
    const { database, clock, identity, limits, isRevoked, registrar } = parts;
    this.#parts = parts;
    this.newcomers = new Newcomers({ database, clock, agent: identity.name, limits, isRevoked });
    this.certifiedBy = { registrar, trust: () => identity.trust };
  }

  /** As `Newcomers.ask`; where an invitation approves by itself, approved when this resolves if it can be. */
  async ask(application: Application): Promise<{ readonly id: string; readonly state: EnrolmentState }> {
    const { id, state, approves } = await this.newcomers.ask(application);
    return { id, state: approves ? await this.#approveItself(id) : state };
  }

  /** What was left undone when an authority was away or this process ended, and what nobody needs any more. */
  async scan(): Promise<void> {
    const { database, clock } = this.#parts;
    const now = clock.now();
    await forgetEnrolments(database, now, now - REMEMBER_REFUSAL_SECONDS);
    for (const id of await selfApproving(database, now)) await this.#approveItself(id);
  }

  /** In the name of whoever gave the invitation, who said so then. What fails is tried again, unless it always would. */
  async #approveItself(id: string): Promise<EnrolmentState> {
    const { database, clock, log } = this.#parts;
    try {
      await approve(new Office(database, clock, decidedBefore(id)), this.certifiedBy, id);
      return "approved";
    } catch (error) {
      if (error instanceof Fault && HOPELESS.has(error.name)) {
        await refuse(new Office(database, clock), id, error.sentence);
        return "refused";
      }
      if (!(error instanceof Fault) && !(error instanceof OperatorError)) throw error;
      log.warn({ enrolment: id, reason: error.message }, "an invited newcomer waits");
      return "waiting";
    }
  }
}

/** In whose name an enrolment is approved by its invitation: for as long as that and whoever gave it may. */
function decidedBefore(enrolment: string): Administrator {
  return { ...OPERATOR, authorise: (tx) => refuseUndecided(tx, enrolment) };
}

/** What an authority will never say otherwise of the same key. */
const HOPELESS: ReadonlySet<string> = new Set(["CERTIFICATE_REVOKED", "WEAK_KEY"]);
