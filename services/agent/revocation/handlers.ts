import { formatInstant } from "#shared/model/time.ts";
import type { administrationApi } from "#shared/wire/administration-api.ts";
import type { agentApi } from "#shared/wire/agent-api.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import type { Background } from "../background.ts";
import { type AdministeredBooks, DONE, faultOfMistake, officeOf } from "../registry/office.ts";
import { listStandings } from "../store/revocations.ts";
import type { Distribution } from "./distribution.ts";
import { takeEndings } from "./endings.ts";
import type { Revocations } from "./revocations.ts";

/** The methods that are about what is revoked. */
type RevocationMethods = Pick<
  Handlers<typeof agentApi>,
  "getrevocations" | "postrevocations" | "postendings"
> &
  Pick<Handlers<typeof administrationApi>, "revokeprincipal" | "revoketicket" | "listrevocations">;

export type RevocationDesk = AdministeredBooks & {
  readonly revocations: Revocations;
  readonly distribution: Distribution;
  readonly inBackground: Background["run"];
};

export function revocationHandlers(desk: RevocationDesk): RevocationMethods {
  const { revocations, distribution } = desk;

  /**
   * What was done is answered when it holds here; nodes are told meanwhile. For nothing else: anybody may bring a list, and
   * must not have all nodes called by bringing one that says nothing new.
   */
  async function told<T>(work: Promise<T>): Promise<T> {
    let done: T;
    try {
      done = await work;
    } catch (error) {
      throw faultOfMistake(error);
    }
    if (done !== false) desk.inBackground((signal) => distribution.scan(signal));
    return done;
  }

  return {
    getrevocations: ({ since }) => revocations.documents(since),
    async postrevocations({ list }, { peer }) {
      await told(revocations.take(list, peer.name));
      return DONE;
    },
    async postendings(endings, { peer }) {
      await takeEndings(desk, peer, endings);
      return DONE;
    },
    revokeprincipal: ({ principal }, call) =>
      told(revocations.revokePrincipal(officeOf(desk, call), principal)),
    async revoketicket({ ticket }, call) {
      await told(revocations.revokeTicket(officeOf(desk, call), ticket));
      return DONE;
    },
    async listrevocations(_, call) {
      const standings = await officeOf(desk, call).read(listStandings);
      return standings.map(({ received, untold, ...standing }) => ({
        ...standing,
        received: formatInstant(received),
        untold: [...untold],
      }));
    },
  };
}
