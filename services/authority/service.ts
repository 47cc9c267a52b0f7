import { parseCertificate } from "#shared/identity/certificate.ts";
import { type KeyName, publicKeyOf } from "#shared/identity/key.ts";
import { peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { type Clock, systemClock } from "#shared/runtime/clock.ts";
import type { Running } from "#shared/runtime/lifecycle.ts";
import { createLog, type Log } from "#shared/runtime/log.ts";
import { authorityApi } from "#shared/wire/authority-api.ts";
import { encodeResponse } from "#shared/wire/xmlrpc/encode.ts";
import type { KeptReply, ReplayScope } from "#shared/wire/xmlrpc/replay.ts";
import { startXmlRpcServer } from "#shared/wire/xmlrpc/server.ts";
import { authorityHandlers, issuedAnswer } from "./api.ts";
import { type Authority, openAuthority } from "./authority.ts";
import type { AuthorityConfig } from "./config.ts";
import { serviceIdentity } from "./own-identity.ts";
import { registrarKeys } from "./registrars.ts";

/** What an authority that serves is given by whoever starts it. Its clock is the real one: TLS has no other. */
export type AuthorityDeps = { readonly clock: Clock; readonly log: Log };

export type AuthorityService = Running & {
  readonly announce: { readonly tls: string; readonly authority: KeyName; readonly identity: KeyName };
};

/** Serves an authority until it is disposed of. Commands go on working on its directory meanwhile. */
export async function startAuthority(
  config: AuthorityConfig,
  deps: Partial<AuthorityDeps> = {},
): Promise<AuthorityService> {
  const { clock, log } = { clock: deps.clock ?? systemClock(), log: deps.log ?? createLog("authority") };
  const now = () => new Date(clock.milliseconds());
  const { directory, addresses, longest_days: longestDays, certificates_a_day: certificatesADay } = config;
  const authority = await openAuthority(directory);
  const identity = await serviceIdentity(authority, { directory, addresses, days: longestDays, now: now() });
  const registrars = await registrarKeys(config.registrars);
  const handlers = authorityHandlers({
    ...{ authority, registrars, longestDays, certificatesADay, now },
    onIssue: (facts) => log.info(facts, "certified a key"),
  });
  const { address: host, tls_port: port } = config.listen;
  const server = await startXmlRpcServer(authorityApi, handlers, {
    ...{ clock, log },
    replies: { findReply: (scope) => replyOf(authority, scope) },
    tls: { host, port, options: serverTlsOptions(identity.tls) },
    authenticate: (socket) => peerOf(socket, { now: now() }),
  });
  return {
    announce: {
      ...{ tls: server.url, identity: identity.name },
      authority: publicKeyOf(parseCertificate(authority.caPem).publicKey).name,
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

async function replyOf(
  authority: Authority,
  { peer, method, requestId }: ReplayScope,
): Promise<KeptReply | undefined> {
  await authority.refuseRevoked(peer);
  const record = await authority.answerTo(peer, method, requestId);
  if (!record?.answered) return undefined;
  const { argumentsHash, certificate } = record.answered;
  return { argumentsHash, reply: encodeResponse(issuedAnswer(certificate)) };
}
