import { authenticator } from "#shared/identity/authentication.ts";
import { openServiceIdentity, type ServiceIdentity } from "#shared/identity/service-identity.ts";
import { serverTlsOptions } from "#shared/identity/tls.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import { realTime, systemClock } from "#shared/runtime/clock.ts";
import { watchClock } from "#shared/runtime/clock-watch.ts";
import { startConcerns } from "#shared/runtime/concerns.ts";
import { type Database, openDatabase } from "#shared/runtime/database.ts";
import type { Running } from "#shared/runtime/lifecycle.ts";
import { createLog, type Log } from "#shared/runtime/log.ts";
import { migrate } from "#shared/runtime/migrations.ts";
import { securePort } from "#shared/web/secure-port.ts";
import { type ServedPlaces, servedPlaces } from "#shared/web/served-places.ts";
import { resourcesOf } from "#shared/wire/resources-struct.ts";
import { connectionsOf } from "#shared/wire/xmlrpc/connections.ts";
import packageJson from "../../package.json" with { type: "json" };
import { acquaintanceOf } from "./acquaintance.ts";
import type { AgentParts } from "./api.ts";
import { startBackground } from "./background.ts";
import type { AgentConfig } from "./config.ts";
import { Reception, type ReceptionParts } from "./enrolment/reception.ts";
import { authorityRegistrar } from "./enrolment/registrar.ts";
import { Renewals } from "./enrolment/renewals.ts";
import { Deposits } from "./holdings/deposit.ts";
import { Gathering, otherAgents } from "./holdings/gathering.ts";
import { startInspection } from "./inspection.ts";
import { Answers } from "./issuing/answers.ts";
import { Issuance, type IssuingPolicy } from "./issuing/issuance.ts";
import { serveApi } from "./listening.ts";
import { startLookout } from "./monitors/lookout.ts";
import { POLL_LIMITS, type PollLimits } from "./monitors/poll.ts";
import { Refusals } from "./refusals.ts";
import { AuditChain } from "./registry/audit-chain.ts";
import type { Distribution } from "./revocation/distribution.ts";
import { openRevocations } from "./revocation/opening.ts";
import type { Revocations } from "./revocation/revocations.ts";
import type { AgentSelf } from "./self.ts";
import { Closing } from "./settlement/closing.ts";
import { Inquiry } from "./settlement/inquiry.ts";
import { nodeQuestions } from "./settlement/node-questions.ts";
import { Release } from "./settlement/release.ts";
import { Settlement } from "./settlement/settlement.ts";
import { Succession } from "./signing/succession.ts";
import { openTicketKeys, type TicketKeys, ticketKeyFiles } from "./signing/ticket-keys.ts";
import { latestAudit } from "./store/audit/audit.ts";
import { forgetRequests } from "./store/issuing/requests.ts";
import { saveTicketKey } from "./store/ticket-keys.ts";

/** The schema of this service in its database, and the name of its migrations. */
export const SCHEMA = "agent";

/** What an agent is given by whoever starts it. */
export type AgentDeps = {
  readonly clock: Clock;
  readonly log: Log;
  /** Opens the database, which the agent closes. */
  readonly openDatabase: (url: string, log: Log) => Database;
  readonly cancelTimeoutMs: number;
  /** What one dump of a monitor may be. */
  readonly pollLimits: PollLimits;
};

export type AgentService = Running & {
  readonly announce: ServedPlaces & { readonly agent: string };
  /** The scan that runs every `scan_seconds`, once, now. */
  scan(): Promise<void>;
  /** Polls monitors and samples liveness, as far as that is due now. */
  look(): Promise<void>;
  /** What runs every `gather_seconds`, once, now: other agents are asked how the nodes are that they handed on. */
  gather(): Promise<void>;
};

/** How long after its end what was issued under a request is remembered: no clock makes it valid again by then. */
const KEEP_REQUESTS_SECONDS = 86_400;

/** How often what was audited is chained and signed. */
const CHAIN_SECONDS = 10;

/** How often the files of ticket keys are looked at. */
const TICKET_KEYS_SECONDS = 5;

const CONNECTIONS = 20;
const CANCEL_TIMEOUT_MS = 10_000;

/** Starts an agent. It serves when this resolves, and until it is disposed of. */
export async function startAgent(config: AgentConfig, deps: Partial<AgentDeps> = {}): Promise<AgentService> {
  const host: AgentDeps = {
    clock: deps.clock ?? systemClock(),
    log: deps.log ?? createLog("agent"),
    openDatabase: deps.openDatabase ?? openAgentDatabase,
    cancelTimeoutMs: deps.cancelTimeoutMs ?? CANCEL_TIMEOUT_MS,
    pollLimits: deps.pollLimits ?? POLL_LIMITS,
  };
  await using owned = new AsyncDisposableStack();
  const ports = { plain: 0, tls: 0, web: 0 };
  const books = await openBooks(config, host, owned);
  const desk = await openDesk(config, host, books, owned);
  const self = (): AgentSelf => ({ ...selfOf(config, books), ports });
  const parts = { ...books, ...desk, self };
  const lookout = owned.use(startLookout(config, { ...host, database: books.database }));
  const authenticate = authenticator(parts, realTime);
  const server = owned.use(await serveApi(config, { ...host, ...parts, authenticate }));
  books.identity.follow((tls) => server.renew(serverTlsOptions(tls)));
  const web = owned.use(
    await startInspection(config, {
      ...{ ...host, ...parts, monitors: lookout.monitors.names },
      secure: securePort(config.listen.web_tls_port, parts, (name) => acquaintanceOf(books.database, name)),
      concerns: () => [
        ...books.identity.concerns(realTime()),
        ...desk.revocations.concerns(host.clock.now()),
      ],
    }),
  );
  books.identity.follow((tls) => web.renew(serverTlsOptions(tls)));
  Object.assign(ports, { plain: server.plainPort ?? 0, tls: server.port, web: web.port });

  const kept = owned.move();
  return {
    announce: { ...servedPlaces(server, web), agent: books.identity.name },
    scan: desk.scan,
    look: lookout.look,
    gather: desk.gather,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Who the agent is, and what it has written down. */
type AgentBooks = {
  readonly identity: ServiceIdentity;
  readonly keys: TicketKeys;
  readonly database: Database;
};

async function openBooks(
  config: AgentConfig,
  { clock, log, openDatabase }: AgentDeps,
  owned: AsyncDisposableStack,
): Promise<AgentBooks> {
  const { key, certificate: cert, authority: ca } = config.identity;
  const { address } = config.listen;
  const identity = owned.use(await openServiceIdentity({ key, cert, ca }, { address, now: realTime, log }));
  owned.use(startConcerns(log, (now) => identity.concerns(now)));
  const keys = await openTicketKeys(config.ticket_key, config.previous_ticket_key);
  await migrate(config.database, SCHEMA, log);
  const database = owned.use(openDatabase(config.database, log));
  await keys.admitWith(async (all) => {
    for (const { name, spki } of all) await saveTicketKey(database, name, spki, clock.now());
  });
  owned.use(startBackground(() => keys.refresh(), TICKET_KEYS_SECONDS, log));
  return { identity, keys, database };
}

/** What works on the books. */
type AgentDesk = Pick<AgentParts, "issuance" | "deposits" | "settlement" | "release" | "inBackground"> & {
  readonly refusals: Refusals;
  readonly answers: Answers;
  readonly chain: AuditChain;
  readonly reception: Reception;
  readonly revocations: Revocations;
  readonly distribution: Distribution;
  readonly renewals: Renewals;
  scan(): Promise<void>;
  gather(): Promise<void>;
};

async function openDesk(
  config: AgentConfig,
  { clock, log, cancelTimeoutMs }: AgentDeps,
  { identity, keys, database }: AgentBooks,
  owned: AsyncDisposableStack,
): Promise<AgentDesk> {
  const watch = owned.use(watchClock(clock, (moved) => log.warn({ moved }, "the clock was set")));
  const connections = owned.use(connectionsOf(identity));
  const settlement = new Settlement(database, clock);
  const { cancelAt, stateAt } = nodeQuestions(connections, cancelTimeoutMs);
  const release = new Release({ database, keys, settlement, clock, watch, cancelAt, log });
  const closing = new Closing({ database, keys, clock, watch, cancelAt, log });
  const previousFile = ticketKeyFiles(config.ticket_key, config.previous_ticket_key).previous;
  const succession = new Succession({ database, keys, previousFile, clock, log, cancelAt });
  const inquiry = new Inquiry({ database, keys, settlement, clock, stateAt, log });
  const gathering = new Gathering({ database, clock, log, agents: otherAgents(config.agents, connections) });
  const refusals = owned.use(new Refusals(database, clock, log));
  const answers = new Answers(database, keys);
  const latest = Math.floor((await latestAudit(database)) / 1000);
  const issuance = new Issuance({ database, keys, clock, watch }, policyOf(config), latest);
  const opening = { identity, database, connections, clock, log };
  const { revocations, distribution } = await openRevocations(config, opening, owned);
  const { isRevoked } = revocations;
  const registrar = config.authority && authorityRegistrar(config.authority, connections);
  const reception = openReception(config, { database, clock, log, identity, isRevoked, registrar });
  const renewals = new Renewals({ database, clock, registrar, identity, realTime });
  if (registrar) identity.renewWith((request) => renewals.renew(request));
  async function scan(signal?: AbortSignal): Promise<void> {
    await revocations.load();
    await revocations.signAgain();
    await distribution.scan(signal);
    await release.scan(signal);
    await inquiry.scan(signal);
    await closing.scan(signal);
    await succession.scan(signal);
    await answers.forget(clock.now());
    await forgetRequests(database, clock.now() - KEEP_REQUESTS_SECONDS);
    await refusals.flush();
    await reception.scan();
  }
  const background = owned.use(startBackground(scan, config.scan_seconds, log));
  const gather = (signal?: AbortSignal) => gathering.gather(signal);
  if (config.agents.length > 0) owned.use(startBackground(gather, config.gather_seconds, log));
  const chain = new AuditChain(database, clock, identity.signingKey);
  owned.use(startBackground(() => chain.extend(), CHAIN_SECONDS, log));
  const deposits = new Deposits(database, keys, clock, identity.name);
  const { run: inBackground } = background;
  const work = { issuance, deposits, settlement, release, revocations, distribution, inBackground };
  return { ...work, refusals, answers, chain, reception, renewals, scan, gather };
}

function policyOf({ max_lease_seconds, overbooking }: AgentConfig): IssuingPolicy {
  return { maxLeaseSeconds: max_lease_seconds, overbooking };
}

function selfOf(config: AgentConfig, { identity }: AgentBooks): Omit<AgentSelf, "ports"> {
  const { version } = packageJson;
  return {
    ...policyOf(config),
    defaultResources: resourcesOf(config.default_resources),
    agent: identity.name,
    version,
  };
}

/** The agent's own database, as the service and its local commands open it. */
export function openAgentDatabase(url: string, log?: Log): Database {
  return openDatabase(url, { schema: SCHEMA, log, connections: CONNECTIONS, settings: SETTINGS });
}

/**
 * Each connection plans a statement and may keep the plan. One made while a table was empty would read all of it for
 * ever after, so rows are found by index from the first one on; and nothing here is worth compiling. Plans hold for all
 * parameters: left to itself PostgreSQL plans the large statements anew every time, at half of what issuing a ticket costs it.
 */
const SETTINGS = {
  enable_seqscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  jit: "off",
  plan_cache_mode: "force_generic_plan",
};

function openReception({ enrolment }: AgentConfig, books: Omit<ReceptionParts, "limits">): Reception {
  const limits = { strangers: enrolment.strangers, requestDays: enrolment.request_days };
  return new Reception({ ...books, limits });
}
