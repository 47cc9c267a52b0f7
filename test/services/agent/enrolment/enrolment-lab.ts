import { generateSigningKey } from "#shared/identity/key-file.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import { clientTlsOptions, strangerTlsOptions } from "#shared/identity/tls.ts";
import { enrolmentAdministrationApi, enrolmentApi } from "#shared/wire/enrolment-api.ts";
import { type Invitation, newInvitationSecret, secretHash } from "#shared/wire/invitation.ts";
import { type JoiningTerms, join, type Membership, type Newcomer } from "#shared/wire/joining.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import type { TestIdentity } from "../../../support/authority.ts";
import { authorityService, type TestAuthorityService } from "../../../support/authority-service.ts";
import { type AgentLab, agentLab, type LabOptions, labAuthority } from "../agent-lab.ts";

type Administration = XmlRpcClient<typeof enrolmentAdministrationApi>;
export type WantedInvitation = Omit<Parameters<Administration["addinvitation"]>[0], "secret_sha256">;

export type EnrolmentLab = AsyncDisposable & {
  readonly lab: AgentLab;
  readonly authority: TestAuthorityService;
  /** As the lab's administrator. */
  readonly admin: Administration;
  /** As somebody with a certificate. */
  administering(identity: TestIdentity): Administration;
  /** As somebody without one. */
  readonly stranger: XmlRpcClient<typeof enrolmentApi>;
  invite(wanted: WantedInvitation): Promise<Invitation & { readonly secret: string; readonly id: string }>;
  join(
    newcomer: Omit<Newcomer, "kind"> & Partial<Newcomer>,
    terms?: Partial<JoiningTerms>,
  ): Promise<Membership>;
};

/** An agent that is a registrar of a serving authority, unless `options` say that none serves it. */
export async function enrolmentLab(options: LabOptions = {}): Promise<EnrolmentLab> {
  await using owned = new AsyncDisposableStack();
  const { authority: ca, agent } = await labAuthority();
  const authority = owned.use(await authorityService(ca, [agent.name]));
  const config = { authority: { url: authority.url }, ...options.config };
  const lab = owned.use(await agentLab({ deposited: false, ...options, config }));
  const url = lab.agent.announce.tls;
  const blank = owned.use(new Connections(strangerTlsOptions(ca.caPem)));
  const clients = owned.use(new DisposableStack());
  function administering({ tls }: TestIdentity): Administration {
    const connections = clients.use(new Connections(clientTlsOptions(tls)));
    return xmlRpcClient(enrolmentAdministrationApi, { url, connections });
  }
  const admin = administering(lab.admin);
  const kept = owned.move();
  return {
    ...{ lab, authority, admin },
    administering,
    stranger: xmlRpcClient(enrolmentApi, { url, connections: blank }),
    async invite(wanted) {
      const secret = newInvitationSecret();
      const added = await admin.addinvitation({ ...wanted, secret_sha256: secretHash(secret) });
      return { id: added.id, url: added.url, authorities: [added.authority], secret };
    },
    join: (newcomer, terms = {}) =>
      join(
        { kind: "person", ...newcomer },
        { signal: AbortSignal.timeout(60_000), onWaiting: () => undefined, everyMs: 10, ...terms },
      ),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** A key of a newcomer. */
export function newKey(): Promise<SigningKey> {
  return generateSigningKey({ type: "rsa" });
}
