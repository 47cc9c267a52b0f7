import { certificateFacts, parseCertificate, validityFrom } from "#shared/identity/certificate.ts";
import type { IssuedCertificate } from "#shared/identity/certificate-authority.ts";
import type { KeyName } from "#shared/identity/key.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import { formatInstant } from "#shared/model/time.ts";
import type { authorityApi } from "#shared/wire/authority-api.ts";
import type { Call, Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import type { Authority, IssuingOrder } from "./authority.ts";
import type { AuthorityLimits } from "./followed-limits.ts";
import type { IssuedRecord } from "./register.ts";
import { type Registrar, refuseUngranted } from "./registrars.ts";
import { renewalTerms } from "./renewal.ts";

/** What the handlers of an authority that serves work with. */
export type AuthorityParts = {
  readonly authority: Authority;
  /** What its operator allows now: the configuration may change while it serves. */
  readonly limits: () => AuthorityLimits;
  /** The real time. */
  readonly now: () => Date;
  /** Told of every certificate, once it is in the register. */
  readonly onIssue: (facts: object) => void;
};

const DAY_MS = 86_400_000;

export function authorityHandlers(parts: AuthorityParts): Handlers<typeof authorityApi> {
  const { authority, limits, now } = parts;
  return {
    async certify({ csr, name, kind, addresses = [], days }, call) {
      const { longestDays } = limits();
      refuseUngranted(await registrarOf(parts, call.peer.name), addresses);
      refuseUnless(
        days === undefined || days <= longestDays,
        "QUOTA",
        `this authority certifies for ${longestDays} days at most; ask for less`,
      );
      const terms = { name, kind, addresses, validity: validityFrom(now(), days ?? longestDays) };
      return issuedStruct(parts, call, await authority.issue(csr, terms, orderOf(parts, call)));
    },
    async renew({ csr, current }, call) {
      // Of the same key, for what it is certified for anyhow: whoever lets the registrar have less, revokes what is there.
      await registrarOf(parts, call.peer.name);
      const { longestDays } = limits();
      const terms = renewalTerms({ csr, current, authority: authority.trusted, now: now(), longestDays });
      return issuedStruct(parts, call, await authority.issue(csr, terms, orderOf(parts, call)));
    },
    getauthority: () => [authority.caPem],
    getrevocations: async () => (await authority.revocations(now(), limits().listDays)).document,
  };
}

/** Throws NO_PRIVILEGE for whoever is none, and CERTIFICATE_REVOKED. */
async function registrarOf({ authority, limits }: AuthorityParts, caller: KeyName): Promise<Registrar> {
  await authority.refuseRevoked(caller); // anew for every call: the operator may have revoked it a moment ago
  const registrar = limits().registrars.get(caller);
  refuseUnless(
    registrar,
    "NO_PRIVILEGE",
    `this authority certifies for its registrars, and your key ${caller} is none; have its operator name it in authority.toml`,
  );
  return registrar;
}

function orderOf({ limits, now }: AuthorityParts, { peer, method, replay }: Call): IssuingOrder {
  const by = peer!.name;
  const { certificatesADay } = limits();
  const call = replay?.rememberRemade(0, ({ scope: { requestId }, argumentsHash }) => ({
    ...{ method, requestId, argumentsHash },
  }));
  const since = new Date(now().getTime() - DAY_MS).toISOString();
  const recent = (record: IssuedRecord) => record.by === by && record.notBefore > since;
  return {
    by,
    ...(call && { call }),
    check: (issued) =>
      refuseUnless(
        issued.filter(recent).length < certificatesADay,
        "QUOTA",
        `you had ${certificatesADay} certificates within a day; wait, or ask the authority's operator for more`,
      ),
  };
}

function issuedStruct({ onIssue }: AuthorityParts, { peer }: Call, { certPem }: IssuedCertificate) {
  const { serial, key, name, kind } = certificateFacts(parseCertificate(certPem));
  onIssue({ serial, key: key.name, name, kind, registrar: peer!.name });
  return issuedAnswer(certPem);
}

/** What a call is answered with that got this certificate. */
export function issuedAnswer(certificate: string) {
  const { serial, validity } = certificateFacts(parseCertificate(certificate));
  return {
    ...{ certificate, serial },
    validto_time: formatInstant(Math.floor(validity.notAfter.getTime() / 1000)),
  };
}
