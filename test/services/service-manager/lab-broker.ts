import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse, stringify } from "smol-toml";
import { clientTlsOptions, peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { Fault } from "#shared/model/errors.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { type AcquisitionStruct, brokerApi, type SpecifiedNodeStruct } from "#shared/wire/broker-api.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { openRequest, type SliceRequest } from "#shared/wire/request-document.ts";
import { readSliceDescription } from "#shared/wire/slice-description.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { startXmlRpcServer } from "#shared/wire/xmlrpc/server.ts";
import type { SliceLab } from "./slice-lab.ts";

/** What an acquisition of the lab's broker was asked for. */
export type Acquiring = {
  readonly request: SliceRequest;
  readonly text: string;
  readonly holds: readonly string[];
  readonly avoid: readonly string[];
};

/**
 * A broker that a test can let lie, die or hang: what it answers an acquireslice or getacquisition with, given what an
 * honest one would, which it is asked for by `honestly`.
 */
export type Conduct = (
  honestly: () => Promise<AcquisitionStruct>,
  asked: Acquiring,
) => Promise<AcquisitionStruct>;

export type LabBroker = AsyncDisposable & {
  readonly url: string;
  readonly name: string;
  /** How it behaves from now on. */
  conduct: Conduct;
  /** Requests it has been sent, by their serials, each time. */
  readonly asked: string[];
  /** A client of the lab's agent with this broker's certificate. */
  readonly agent: ReturnType<typeof agentClient>;
  /** Takes no connection any more and breaks those there are. */
  kill(): Promise<void>;
};

const HONEST: Conduct = (honestly) => honestly();

/** A broker of the lab's agent, configured as alice's from now on. */
export async function labBroker(lab: SliceLab): Promise<LabBroker> {
  await using owned = new AsyncDisposableStack();
  const identity = await lab.authority.server("broker");
  const connections = owned.use(new Connections(clientTlsOptions(identity.tls)));
  const agent = agentClient(lab, connections);
  const agentName = lab.agent.announce.agent;
  const kept = new Map<string, Promise<AcquisitionStruct>>();
  const asked: string[] = [];

  async function honestly({ request, text, holds, avoid }: Acquiring): Promise<AcquisitionStruct> {
    const { count, standby, atleast } = request.description.nodes;
    const ads = await agent.getads({ limit: 1000 });
    const nodes = ads
      .filter((ad) => typeof ad !== "string")
      .filter(({ node }) => !holds.includes(node) && !avoid.includes(node));
    if (nodes.length < atleast)
      throw new Fault("NO_CAPACITY", `${nodes.length} of the ${atleast} nodes needed fit: the lab is small`);
    const terms = { count: count + standby, atleast, request_id: request.serial };
    const tickets = await agent.gettickets({ request: text, nodes: nodes.map(({ node }) => node), ...terms });
    const chosen = tickets.map((ticket): SpecifiedNodeStruct => {
      const body = parseDocument(ticket).body.toString();
      const { node, ip, sslport, site } = nodes.find((ad) => body.includes(ad.node))!;
      return { node, ip, sslport, site, agent: agentName };
    });
    return {
      id: parseDocument(text).id,
      state: "done",
      progress: "all is done",
      specification: {
        chosen: chosen.slice(0, count),
        standby: chosen.slice(count),
        spare: 0,
        refused: [],
        refused_count: 0,
        explanation: "",
        advice: "",
      },
      tickets: tickets.slice(0, count),
      standby: tickets.slice(count),
      refused: [],
    };
  }

  const acquirings = new Map<string, Acquiring>();
  async function acquisition(asking: Acquiring): Promise<AcquisitionStruct> {
    const { id } = parseDocument(asking.text);
    return await broker.conduct(() => {
      const answer = kept.get(id) ?? honestly(asking);
      kept.set(id, answer);
      return answer;
    }, asking);
  }

  const handlers: Handlers<typeof brokerApi> = {
    getconfig: () => ({
      ...{ port: 0, sslport: 1, httpport: 0, broker: identity.name, version: "lab" },
      agents: [{ identity: agentName, url: lab.agent.announce.tls }],
    }),
    findslice: async ({ description }) => {
      const { count } = readSliceDescription(description).nodes;
      const nodes = (await agent.getads({ limit: 1000 })).filter((ad) => typeof ad !== "string");
      const [first, ...others] = nodes.map(({ node, ip, sslport, site }) => {
        return { node, ip, sslport, site, agent: agentName };
      });
      return {
        chosen: others.slice(0, count),
        standby: [],
        spare: Math.max(0, others.length - count),
        refused: [{ ...first!, reason: "is not liked here" }],
        refused_count: 2,
        explanation: "2 nodes are not liked here",
        advice: "ask for fewer",
      };
    },
    acquireslice: async ({ request: text, holds = [], avoid = [] }, { peer }) => {
      const { request } = openRequest(text, peer.key);
      asked.push(request.serial);
      const asking = { request, text, holds, avoid };
      acquirings.set(parseDocument(text).id, asking);
      return await acquisition(asking);
    },
    getacquisition: async ({ id }) => await acquisition(acquirings.get(id)!),
  };
  const server = await startXmlRpcServer(brokerApi, handlers, {
    tls: { host: "127.0.0.1", port: 0, options: serverTlsOptions(identity.tls) },
    authenticate: (socket) => peerOf(socket, { now: new Date() }),
    clock: lab.clock,
    log: silentLog(),
    replies: { findReply: () => undefined },
    limits: { closeMs: 1 },
  });
  owned.defer(() => server.close());
  await configureBroker(lab, { url: server.url, identity: identity.name });
  const life = owned.move();
  const broker: LabBroker = {
    ...{ url: server.url, name: identity.name, conduct: HONEST, asked, agent },
    kill: () => server.close(),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
  return broker;
}

function agentClient(lab: SliceLab, connections: Connections) {
  const { tls: url, agent: expectedPeer } = lab.agent.announce;
  return xmlRpcClient(agentApi, { url, connections, expectedPeer });
}

/** Writes alice's configuration with this broker, or none, in it. */
export async function configureBroker(
  lab: SliceLab,
  broker: { url: string; identity: string } | undefined,
): Promise<void> {
  await changeConfig(lab, { broker });
}

export async function readConfig(lab: SliceLab): Promise<Record<string, unknown>> {
  return parse(await readFile(configPath(lab), "utf8"));
}

/** Replaces parts of alice's configuration; one that is undefined is left out. */
export async function changeConfig(lab: SliceLab, change: Record<string, unknown>): Promise<void> {
  const config = Object.entries({ ...(await readConfig(lab)), ...change });
  const present = config.filter(([, value]) => value !== undefined);
  await writeFile(configPath(lab), stringify(Object.fromEntries(present)));
}

function configPath(lab: SliceLab): string {
  return join(lab.home, "config.toml");
}
