import type { ServiceIdentity } from "#shared/identity/service-identity.ts";
import { formatInstant } from "#shared/model/time.ts";
import { MAX_LISTED } from "#shared/wire/administration-api.ts";
import type { enrolmentAdministrationApi, enrolmentApi } from "#shared/wire/enrolment-api.ts";
import type { Call, Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { type AdministeredBooks, done, officeOf, told } from "../registry/office.ts";
import { enrolments, type StoredEnrolment } from "../store/enrolment/enrolments.ts";
import { invitations, type StoredInvitation } from "../store/enrolment/invitations.ts";
import { approve, refuse } from "./decisions.ts";
import { addInvitation, invitationState, withdraw } from "./invitations.ts";
import { authoritiesOf, placeOf } from "./place.ts";
import type { Reception } from "./reception.ts";

type Parts = AdministeredBooks & {
  readonly identity: Pick<ServiceIdentity, "name" | "tls">;
  readonly reception: Reception;
  /** Where newcomers find the agent, if not where its certificate says, and its port. */
  readonly at: () => { readonly url?: string; readonly port: number };
};

/** Thin handlers of what newcomers ask. */
export function enrolmentHandlers({ identity, reception, at }: Parts): Handlers<typeof enrolmentApi> {
  return {
    getauthority: () => authoritiesOf(identity.tls),
    enrol: async (application, { from }) => told(reception.ask({ ...application, from })),
    getenrolment: async ({ id, proof }) => {
      const { state, reason, certificate } = await reception.newcomers.find(id, proof);
      const { url, port } = at();
      return {
        ...{ state, reason, certificate, authorities: authoritiesOf(identity.tls) },
        agent: { url: placeOf(identity.tls, port, url).url, identity: identity.name },
      };
    },
  };
}

const ENROLMENTS_LISTED = 200;

/** Thin handlers of what administrators decide about newcomers. */
export function enrolmentAdministrationHandlers(parts: Parts): Handlers<typeof enrolmentAdministrationApi> {
  const { identity, reception, at } = parts;
  const office = (call: Call) => officeOf(parts, { ...call, peer: call.peer! });
  return {
    addinvitation: ({ secret_sha256, valid_seconds, ...wanted }, call) => {
      const { url, port } = at();
      const place = placeOf(identity.tls, port, url);
      return told(
        addInvitation(
          office(call),
          { ...wanted, secretHash: secret_sha256, validSeconds: valid_seconds },
          ({ id, expires }) => ({
            id,
            url: place.url,
            authority: place.authority,
            validto_time: formatInstant(expires),
          }),
        ),
      );
    },
    listinvitations: async ({ after = "", limit = MAX_LISTED }, call) => {
      const rows = await office(call).read((tx) => invitations(tx, after, limit));
      return rows.map((row) => invitationStruct(row, call.now));
    },
    withdrawinvitation: ({ id }, call) => done(withdraw(office(call), id)),
    listenrolments: async ({ state, after = "", limit = ENROLMENTS_LISTED }, call) => {
      const rows = await office(call).read((tx) => enrolments(tx, { state, after, limit }));
      return rows.map(enrolmentStruct);
    },
    approveenrolment: ({ id, ...approval }, call) =>
      told(approve(office(call), reception.certifiedBy, id, approval)),
    refuseenrolment: ({ id, reason }, call) => done(refuse(office(call), id, reason)),
  };
}

function invitationStruct(row: StoredInvitation, now: number) {
  const { id, kind, role, label: name, site, approves, uses, used, by } = row;
  return {
    ...{ id, kind, role, name, site, addresses: [...row.addresses], approves, uses, used, by },
    created: formatInstant(row.created),
    validto_time: formatInstant(row.expires),
    state: invitationState(row, now),
  };
}

function enrolmentStruct(row: StoredEnrolment) {
  const { id, key, kind, state, csr, note, invitation, from, by, reason } = row;
  return {
    ...{ id, key, kind, state, csr, note, invitation, from, by, reason },
    ...{ name: row.wishedName, address: row.wishedAddress },
    asked: formatInstant(row.asked),
    validto_time: formatInstant(row.expires),
  };
}
