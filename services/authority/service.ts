import { parseCertificate } from "#shared/identity/certificate.ts";
import { type KeyName, publicKeyOf } from "#shared/identity/key.ts";
import { peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { Trust } from "#shared/identity/trust.ts";
import { type Clock, systemClock } from "#shared/runtime/clock.ts";
import type { Running } from "#shared/runtime/lifecycle.ts";
import { createLog, type Log } from "#shared/runtime/log.ts";
import { startRounds } from "#shared/runtime/rounds.ts";
import { authorityApi } from "#shared/wire/authority-api.ts";
import { encodeResponse } from "#shared/wire/xmlrpc/encode.ts";
import type { KeptReply, ReplayScope } from "#shared/wire/xmlrpc/replay.ts";
import { startXmlRpcServer } from "#shared/wire/xmlrpc/server.ts";
import { authorityHandlers, issuedAnswer } from "./api.ts";
import { type Authority, openAuthority } from "./authority.ts";
import type { AuthorityConfig } from "./config.ts";
import { FollowedLimits } from "./followed-limits.ts";
import { serviceIdentity } from "./own-identity.ts";

/** What an authority that serves is given by whoever starts it. Its clock is the real one: TLS has no other. */
export type AuthorityDeps = {
  readonly clock: Clock;
  readonly log: Log;
  /** Its configuration as it is now, read again so often while it serves. Absent: it never changes. */
  readonly following: { readonly read: () => AuthorityConfig; readonly everyMs: number };
};

export type AuthorityService = Running & {
  readonly announce: { readonly tls: string; readonly authority: KeyName; readonly identity: KeyName };
};

/** How often it looks whether its own certificate is to be renewed. */
const RENEWAL_MS = 3_600_000;

/** Serves an authority until it is disposed of. Commands go on working on its directory meanwhile. */
export async function startAuthority(
  config: AuthorityConfig,
  deps: Partial<AuthorityDeps> = {},
): Promise<AuthorityService> {
  await using parts = new AsyncDisposableStack();
  const { clock, log } = { clock: deps.clock ?? systemClock(), log: deps.log ?? createLog("authority") };
  const now = () => new Date(clock.milliseconds());
  const { directory, addresses, longest_days: longestDays } = config;
  const authority = await openAuthority(directory);
  const own = () => serviceIdentity(authority, { directory, addresses, days: longestDays, now: now() });
  const identity = await own();
  const trust = new Trust(identity.tls.ca);
  let { cert } = identity.tls;
  const following = deps.following ?? { read: () => config, everyMs: RENEWAL_MS };
  const limits = parts.use(await FollowedLimits.open({ ...following, log }));
  const handlers = authorityHandlers({
    ...{ authority, limits: limits.now, now },
    onIssue: (facts) => log.info(facts, "certified a key"),
  });
  const { address: host, tls_port: port } = config.listen;
  const server = await startXmlRpcServer(authorityApi, handlers, {
    ...{ clock, log },
    replies: { findReply: (scope) => replyOf(authority, scope) },
    tls: { host, port, options: serverTlsOptions(identity.tls) },
    authenticate: (socket) => peerOf(socket, { now: now(), trust }),
  });
  /** Its own certificate is renewed as everybody's is. */
  async function renew(): Promise<void> {
    const { tls } = await own();
    if (tls.cert === cert) return;
    ({ cert } = tls);
    server.renew(serverTlsOptions(tls));
  }
  const onFailure = (err: unknown) => log.warn({ err }, "the service's own certificate could not be renewed");
  parts.defer(() => server.close());
  parts.use(startRounds(renew, { everyMs: RENEWAL_MS, onFailure }));
  const whole = parts.move();
  return {
    announce: {
      ...{ tls: server.url, identity: identity.name },
      authority: publicKeyOf(parseCertificate(authority.caPem).publicKey).name,
    },
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
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
