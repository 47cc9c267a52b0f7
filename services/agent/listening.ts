import type { TLSSocket } from "node:tls";
import type { ServiceIdentity } from "#shared/identity/service-identity.ts";
import { type Peer, serverTlsOptions } from "#shared/identity/tls.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Log } from "#shared/runtime/log.ts";
import { administrationApi } from "#shared/wire/administration-api.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { certificateApi } from "#shared/wire/certificate-api.ts";
import { enrolmentAdministrationApi, enrolmentApi } from "#shared/wire/enrolment-api.ts";
import { contract } from "#shared/wire/xmlrpc/contract.ts";
import { startXmlRpcServer, type XmlRpcServer } from "#shared/wire/xmlrpc/server.ts";
import { type AgentParts, agentHandlers } from "./api.ts";
import type { AgentConfig } from "./config.ts";
import { enrolmentAdministrationHandlers, enrolmentHandlers } from "./enrolment/handlers.ts";
import type { Reception } from "./enrolment/reception.ts";
import { type Renewals, renewalHandlers } from "./enrolment/renewals.ts";
import type { Answers } from "./issuing/answers.ts";
import type { Refusals } from "./refusals.ts";
import { administrationHandlers } from "./registry/administration.ts";
import type { AuditChain } from "./registry/audit-chain.ts";
import type { Distribution } from "./revocation/distribution.ts";
import { revocationHandlers } from "./revocation/handlers.ts";
import type { Revocations } from "./revocation/revocations.ts";

/** What the calls of an agent are answered with. */
type ListeningParts = AgentParts & {
  readonly revocations: Revocations;
  readonly distribution: Distribution;
  readonly clock: Clock;
  readonly log: Log;
  readonly identity: ServiceIdentity;
  readonly refusals: Refusals;
  readonly answers: Answers;
  readonly chain: AuditChain;
  readonly reception: Reception;
  readonly renewals: Renewals;
  /** Who sent a request. */
  readonly authenticate: (socket: TLSSocket) => Peer;
};

/** Everything an agent can be asked. */
const CONTRACT = contract({
  ...{ ...agentApi, ...administrationApi, ...certificateApi },
  ...{ ...enrolmentApi, ...enrolmentAdministrationApi },
});

/** Takes calls, and tells refusals to the audit. */
export function serveApi(
  { listen, enrolment: { url } }: AgentConfig,
  parts: ListeningParts,
): Promise<XmlRpcServer> {
  const { clock, log, answers, refusals, authenticate } = parts;
  const { address: host, tls_port, plain_port } = listen;
  const enrolling = { ...parts, at: () => ({ url, port: parts.self().ports.tls }) };
  const handlers = {
    ...{ ...agentHandlers(parts), ...administrationHandlers(parts) },
    ...{ ...revocationHandlers(parts), ...renewalHandlers(parts) },
    ...{ ...enrolmentHandlers(enrolling), ...enrolmentAdministrationHandlers(enrolling) },
  };
  return startXmlRpcServer(CONTRACT, handlers, {
    clock,
    log,
    replies: answers,
    onRefusal: (fault, call) => refusals.record(fault, call),
    tls: { host, port: tls_port, options: serverTlsOptions(parts.identity.tls) },
    ...(plain_port !== undefined && { plain: { host, port: plain_port } }),
    authenticate: (socket) => {
      try {
        return authenticate(socket);
      } catch (error) {
        // Without a certificate it may be a newcomer: what is refused then is counted by its method.
        if (error instanceof Fault && error.name !== "NO_CERTIFICATE") refusals.countStranger(error, "");
        throw error;
      }
    },
  });
}
