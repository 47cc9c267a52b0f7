import { peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { type AdvertisementStruct, agentApi } from "#shared/wire/agent-api.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { startXmlRpcServer } from "#shared/wire/xmlrpc/server.ts";
import type { TestIdentity } from "../../support/authority.ts";
import { KEYS } from "../../support/documents.ts";
import { nodeName } from "./advertisements.ts";

/** An agent that answers as it is told to, over the real wire. */
export type OddAgent = AsyncDisposable & {
  readonly identity: string;
  readonly url: string;
  /** How often it was asked for advertisements, for tickets. */
  readonly asked: { ads: number; tickets: number };
};

export type Oddities = {
  /** What it advertises, by the way of a page. */
  readonly ads?: () => unknown[] | Promise<unknown[]>;
  readonly tickets?: (nodes: readonly string[]) => string[] | Promise<string[]>;
};

export async function oddAgent(identity: TestIdentity, { ads, tickets }: Oddities): Promise<OddAgent> {
  const asked = { ads: 0, tickets: 0 };
  const resources = { cpu_millis: 0, memory_mib: 128, disk_mib: 512, egress_kbps: 0 };
  const refuse = () => {
    throw new Error("not answered here");
  };
  const handlers = {
    ...Object.fromEntries(Object.keys(agentApi).map((name) => [name, refuse])),
    getconfig: () => ({
      ...{ port: 0, sslport: 1, httpport: 0, maxlease: 86_400, default_resources: resources },
      ...{ overbooking: 1000, agent: identity.name, version: "odd" },
      ticket_key: KEYS.agent.public.spki.toString("base64"),
    }),
    getads: async () => {
      asked.ads += 1;
      return (await ads?.()) ?? [];
    },
    gettickets: async ({ nodes = [] }: { nodes?: readonly string[] }) => {
      asked.tickets += 1;
      return (await tickets?.(nodes)) ?? [];
    },
  };
  const server = await startXmlRpcServer(agentApi, handlers as unknown as Handlers<typeof agentApi>, {
    clock: { now: () => 0 },
    log: silentLog(),
    replies: { findReply: () => undefined },
    tls: { host: "127.0.0.1", port: 0, options: serverTlsOptions(identity.tls) },
    authenticate: (socket) => peerOf(socket, { now: new Date() }),
    limits: { closeMs: 50 },
  });
  return {
    ...{ identity: identity.name, url: server.url, asked },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** An advertisement of a node with more room than any, as it goes over the wire. */
export function roomyAd(number: number, overrides: Partial<AdvertisementStruct> = {}): AdvertisementStruct {
  const plenty = {
    cpu_millis: 999_999,
    memory_mib: 9_999_999,
    disk_mib: 9_999_999,
    egress_kbps: 0,
    slivers: 999,
  };
  return {
    ...{ node: nodeName(number), ip: `10.99.0.${number}`, sslport: 8001, site: `odd${number}`, where: {} },
    ...{ engines: ["simulated", "container"], images: ["debian-12"], abilities: [], simulated: false },
    ...{ resources: plenty, free: plenty, overbooking: 1000, load: 0, cpus: 8, liveness: 1000 },
    ...{ heard: "2030-01-01 12:00:00", monitored: null },
    ...overrides,
  };
}
