import { join } from "node:path";
import type { BrokerConfig } from "#services/broker/config.ts";
import { type BrokerService, startBroker } from "#services/broker/service.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { writeIdentity } from "#test/support/authority.ts";
import { testDatabase } from "#test/support/database.ts";
import { ownPorts } from "#testbed/own-port.ts";
import { configureBroker } from "./lab-broker.ts";
import type { SliceLab } from "./slice-lab.ts";

/** The broker's own service in this process, for the lab's agent; alice's from now on. */
export type RealBroker = AsyncDisposable & {
  readonly service: BrokerService;
  /** Throws while it is stopped. */
  stop(): Promise<void>;
  start(): Promise<void>;
};

export async function realBroker(lab: SliceLab): Promise<RealBroker> {
  await using owned = new AsyncDisposableStack();
  const identity = await lab.authority.server("broker");
  const files = await writeIdentity(lab.files, "broker", identity.tls);
  const { url } = owned.use(await testDatabase());
  const { tls, agent } = lab.agent.announce;
  const config: BrokerConfig = {
    database: url,
    identity: { key: files.key, certificate: files.cert, authority: join(lab.files, "ca.pem") },
    listen: await ownPorts({ address: "127.0.0.1", tls_port: 0, web_port: 0 }),
    agents: [{ identity: agent, url: tls }],
    agent_seconds: 30,
    ads_seconds: 0,
    revocation_seconds: 30,
    scan_seconds: 1,
    retry_seconds: 1,
    claim_seconds: 10,
    unfetched_seconds: 300,
    working_at_once: 32,
    acquisitions_at_once: 8,
    acquisitions_kept: 500,
  };
  let service: BrokerService | undefined;
  const broker = {
    get service() {
      if (!service) throw new Error("the broker is stopped");
      return service;
    },
    async stop() {
      await service?.[Symbol.asyncDispose]();
      service = undefined;
    },
    async start() {
      service = await startBroker(config, { clock: lab.clock, log: silentLog() });
    },
  };
  owned.defer(() => broker.stop());
  await broker.start();
  await configureBroker(lab, { url: broker.service.announce.tls, identity: identity.name });
  const kept = owned.move();
  return Object.defineProperties(
    {},
    {
      ...Object.getOwnPropertyDescriptors(broker),
      [Symbol.asyncDispose]: { value: () => kept.disposeAsync() },
    },
  ) as RealBroker;
}
