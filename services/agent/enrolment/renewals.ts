import { createHash } from "node:crypto";
import { type RenewalRequest, renewalIsDue } from "#shared/identity/certificate-renewal.ts";
import { publicKeyFromRequest } from "#shared/identity/certificate-request.ts";
import type { TlsCredentials } from "#shared/identity/identity.ts";
import type { Peer } from "#shared/identity/tls.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { certificateApi } from "#shared/wire/certificate-api.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { writeAudit } from "../store/audit/audit.ts";
import { principalNamed } from "../store/registry/principals.ts";
import type { Registrar } from "./registrar.ts";

export type RenewalsParts = {
  readonly database: Database;
  readonly clock: Clock;
  /** Absent: there is no authority that could be asked. */
  readonly registrar?: Registrar;
  /** Whom this agent trusts now, and who is first among them. */
  readonly identity: { readonly tls: TlsCredentials };
  /** Real time, as TLS takes it. */
  readonly realTime: () => Date;
};

/** Has certificates renewed for those who have one: the agent itself and whoever calls it. */
export class Renewals {
  readonly #parts: RenewalsParts;

  constructor(parts: RenewalsParts) {
    this.#parts = parts;
  }

  /**
   * Once a certificate: asked again with the same, the authority gives the same, so that whoever missed the answer gets
   * it, and nobody has the authority certify without end, which would use up what this agent may have certified in a day.
   */
  async renew(request: RenewalRequest): Promise<string> {
    const { registrar } = this.#parts;
    refuseUnless(
      registrar,
      "NO_PRIVILEGE",
      "this agent asks no authority; have the authority's operator certify the key again",
    );
    const id = createHash("sha256").update(request.current).digest("hex");
    return await registrar.renew(request, id);
  }

  /**
   * For a caller whose certificate was accepted a moment ago. Throws SUSPENDED, UNKNOWN_KEY for a request of another key,
   * QUOTA while there is no need, and what the authority refuses with: MALFORMED for another request than the certificate
   * was renewed with before.
   */
  async renewFor({ name, certificate }: Peer, csr: string): Promise<string> {
    const { database, clock, identity, realTime } = this.#parts;
    const principal = await principalNamed(database, name);
    refuseUnless(!principal?.suspended, "SUSPENDED", "the agent's administrator has suspended you; ask why");
    refuseUnless(certificate, "NO_CERTIFICATE", "certificates are renewed over TLS, for who presents one");
    refuseUnless(
      publicKeyFromRequest(csr).name === name,
      "UNKNOWN_KEY",
      "the request is of another key than your certificate; whoever changes the key enrols again",
    );
    refuseUnless(
      renewalIsDue({ cert: certificate, ca: identity.tls.ca }, realTime()),
      "QUOTA",
      "your certificate is still good for more than a third of its time; ask again then",
    );
    const renewed = await this.renew({ csr, current: certificate });
    const at = clock.milliseconds();
    await writeAudit(database, { at, who: name, method: "renewcertificate", outcome: "ok" });
    return renewed;
  }
}

export function renewalHandlers({
  renewals,
}: {
  readonly renewals: Renewals;
}): Handlers<typeof certificateApi> {
  return {
    renewcertificate: async ({ csr }, { peer }) => ({ certificate: await renewals.renewFor(peer, csr) }),
  };
}
