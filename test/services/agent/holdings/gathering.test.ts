import assert from "node:assert/strict";
import { test } from "node:test";
import { publicKeyFromSpki } from "#shared/identity/key.ts";
import { generateSigningKey } from "#shared/identity/key-file.ts";
import { peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import type { Holding } from "#shared/model/ticket.ts";
import { formatInstant } from "#shared/model/time.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { type AdvertisementStruct, agentApi } from "#shared/wire/agent-api.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { startXmlRpcServer } from "#shared/wire/xmlrpc/server.ts";
import { fixedClock } from "../../../support/clock.ts";
import { NOW, seal, serial } from "../../../support/documents.ts";
import { type AgentLab, agentLab, type LabNode } from "../agent-lab.ts";
import { FACTS } from "../facts.ts";

type Neighbour = AsyncDisposable & {
  readonly name: string;
  readonly url: string;
  /** What it says of nodes, whoever asks for which. */
  ads: readonly Partial<AdvertisementStruct>[];
  /** Hands a part of a node on to the lab's agent. */
  handOn(node: LabNode): Promise<void>;
};

/** Another agent, which the lab's is to ask, and which says of nodes what a test has it say. */
async function neighbour(lab: AgentLab): Promise<Neighbour> {
  const identity = await lab.authority.server("neighbour");
  const key = await generateSigningKey({ type: "ed25519" });
  const own: Pick<Neighbour, "ads"> = { ads: [] };
  const refuse = () => {
    throw new Error("nobody asks that");
  };
  const handlers = {
    ...Object.fromEntries(Object.keys(agentApi).map((name) => [name, refuse])),
    getconfig: () => ({
      ...{ port: 0, sslport: 1, httpport: 0, maxlease: 1, overbooking: 1000, version: "0" },
      default_resources: { cpu_millis: 0, memory_mib: 0, disk_mib: 0, egress_kbps: 0 },
      ticket_key: key.public.spki.toString("base64"),
      agent: identity.name,
    }),
    getads: () => own.ads.map((ad) => ({ ...AD, ...ad })),
  };
  const server = await startXmlRpcServer(agentApi, handlers as unknown as Handlers<typeof agentApi>, {
    clock: fixedClock(NOW),
    log: silentLog(),
    replies: { findReply: () => undefined },
    tls: { host: "127.0.0.1", port: 0, options: serverTlsOptions(identity.tls) },
    authenticate: (socket) => peerOf(socket, { now: new Date() }),
  });
  lab.config.agents.push({ identity: identity.name, url: server.url });
  await lab.restart();
  return Object.assign(own, {
    ...{ name: identity.name, url: server.url },
    async handOn(node: LabNode) {
      const { public: from } = key;
      const toItself = { principal: from.name, principleSha1: from.sha1, principalKey: from.spki };
      const root = node.root(toItself);
      const to = publicKeyFromSpki(lab.ticketKey);
      const holding: Holding = {
        ...root.ticket,
        ...{ serial: serial(60), parent: root.id, issuer: from.name, splits: 2 },
        ...{ principal: to.name, principleSha1: to.sha1, principalKey: to.spki },
        holder: lab.agent.announce.agent,
      };
      await lab.bob.client.deposittickets({ tickets: [seal(holding, key, root.lineage).text] });
    },
    [Symbol.asyncDispose]: () => server.close(),
  });
}

const SHARE = { cpu_millis: 0, memory_mib: 0, disk_mib: 0, egress_kbps: 0, slivers: 0 };
const AD: Omit<AdvertisementStruct, "node" | "ip"> = {
  ...{ sslport: 8101, site: "", where: {}, simulated: false, overbooking: 1000 },
  ...{ engines: ["container"], images: ["busybox"], abilities: [], resources: SHARE, free: SHARE },
  ...{ load: null, cpus: null, liveness: null, monitored: null, heard: formatInstant(NOW - 7) },
} as Omit<AdvertisementStruct, "node" | "ip">;

type Known = {
  ip: string;
  sslport: number | null;
  engines: string[];
  images: string[];
  heard: number | null;
};

async function known({ database }: AgentLab): Promise<Known[]> {
  return await database.rows<Known>("select ip, sslport, engines, images, heard from nodes order by ip");
}

test("an agent takes another's word about the nodes that this one handed on, and about no others", async () => {
  await using lab = await agentLab({ nodes: 4, deposited: false, config: { agents: [] } });
  await using teller = await neighbour(lab);
  await using liar = await neighbour(lab);
  const [handed, theirs, own, nobodys] = lab.nodes as [LabNode, LabNode, LabNode, LabNode];
  await lab.agent.gather();
  await teller.handOn(handed);
  await liar.handOn(theirs);
  await teller.handOn(own);
  await own.deposit();
  const before = await known(lab);
  const all = [handed, theirs, own, nobodys].map(({ name: node, ip }) => ({ node, ip }));
  teller.ads = all;
  liar.ads = all
    .filter(({ node }) => node !== theirs.name)
    .map((ad) => ({ ...ad, engines: ["docker"], sslport: 1 }));
  await lab.agent.gather();
  const told = { sslport: 8101, engines: ["container"], images: ["busybox"], heard: NOW - 7 };
  assert.deepEqual(await known(lab), [
    { ip: handed.ip, ...told },
    before[1], // its own agent said nothing of it, and the other does not count
    before[2], // it reports by itself
    before[3],
  ]);
  assert.deepEqual(before[2]!.engines, FACTS.engines);
});

test("what makes no sense is not taken: of that node nothing changes, and the others' word counts", async () => {
  await using lab = await agentLab({ nodes: 3, deposited: false, config: { agents: [] } });
  await using teller = await neighbour(lab);
  const [good, moved, late] = lab.nodes as [LabNode, LabNode, LabNode];
  await lab.agent.gather();
  for (const node of lab.nodes) await teller.handOn(node);
  const before = await known(lab);
  const named = ({ name: node, ip }: LabNode) => ({ node, ip });
  for (const nonsense of [
    { sslport: 0 },
    { sslport: 70_000 },
    { images: ["../../etc"] },
    { images: ["<b>"] },
  ]) {
    teller.ads = [{ ...named(good), ...nonsense }];
    await lab.agent.gather();
    assert.deepEqual(await known(lab), before, JSON.stringify(nonsense));
  }
  teller.ads = [
    { ...named(good), engines: ["container", "unheard-of"], heard: null },
    { ...named(moved), ip: "10.99.0.1" },
    { ...named(late), heard: formatInstant(NOW + 3600) },
  ];
  await lab.agent.gather();
  const told = { sslport: 8101, engines: ["container"], images: ["busybox"] };
  assert.deepEqual(await known(lab), [
    { ip: good.ip, ...told, heard: null },
    before[1], // another address than the registered one
    { ip: late.ip, ...told, heard: NOW }, // nobody was heard in the future
  ]);
});

test("an agent that is away keeps nobody from hearing the others", async () => {
  await using lab = await agentLab({ deposited: false, config: { agents: [] } });
  const gone = await neighbour(lab);
  await gone[Symbol.asyncDispose]();
  await using teller = await neighbour(lab);
  const [node] = lab.nodes;
  await lab.agent.gather();
  await teller.handOn(node);
  teller.ads = [{ node: node.name, ip: node.ip }];
  await lab.agent.gather();
  assert.equal((await known(lab))[0]!.heard, NOW - 7);
});
