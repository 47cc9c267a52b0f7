import { z } from "zod";
import { loadConfig } from "#shared/runtime/config.ts";
import {
  administrators,
  identityFiles,
  peerAddress,
  listeningPort as port,
  webNames,
} from "#shared/runtime/service-options.ts";

const seconds = z.int().positive().max(86_400);

/** What a broker can be told. Ports of 0 are chosen when it starts. */
export const brokerConfig = z.strictObject({
  database: z.string().describe("the URL of a PostgreSQL database"),
  redis: z
    .string()
    .optional()
    .describe("the URL of a Redis for its queue; absent: the queue is in the PostgreSQL database"),
  identity: identityFiles,
  listen: z
    .strictObject({
      address: z.string().default("127.0.0.1").describe("the address the broker serves"),
      tls_port: port.default(9001).describe("where calls are taken"),
      plain_port: port
        .optional()
        .describe("where getconfig is answered without a certificate; absent: nowhere"),
      web_port: port.default(9002).describe("where its page and its metrics are, for anybody"),
      web_tls_port: port
        .optional()
        .describe("where principals see what it acquired for them, by their certificates; absent: nowhere"),
      web_names: webNames,
    })
    .prefault({}),
  administrators,
  agents: z
    .array(peerAddress)
    .min(1)
    .max(64)
    .describe("the agents it asks; requests may name others, whose tickets it cannot get"),
  agent_seconds: seconds
    .default(10)
    .describe(
      "how long an agent may keep an acquisition waiting: half of it for advertisements, half for tickets",
    ),
  ads_seconds: z
    .int()
    .min(0)
    .max(3600)
    .default(3)
    .describe("how long what an agent advertised is used again"),
  revocation_seconds: seconds
    .default(30)
    .describe("how often its agents are asked for what the authority has revoked"),
  scan_seconds: seconds.default(5).describe("how often it looks for work that its queue lost"),
  retry_seconds: seconds
    .default(300)
    .describe(
      "how long it waits at most before it tries again what failed: twice as long after each failure, beginning with scan_seconds",
    ),
  claim_seconds: seconds
    .default(10)
    .describe("how soon another broker on the same database goes on where one has died"),
  unfetched_seconds: seconds
    .default(300)
    .describe("how long tickets wait for a principal that has not heard of them"),
  working_at_once: z
    .int()
    .positive()
    .max(1000)
    .default(32)
    .describe("how many acquisitions this process works at at once"),
  acquisitions_at_once: z
    .int()
    .positive()
    .max(1000)
    .default(8)
    .describe("how many acquisitions one principal may have under way"),
  acquisitions_kept: z
    .int()
    .positive()
    .max(100_000)
    .default(500)
    .describe("how many acquisitions of one principal are remembered"),
});

export type BrokerConfig = z.output<typeof brokerConfig>;

/** From a TOML file and the environment: SLICELAB_BROKER_… and, besides, DATABASE_URL and REDIS_URL. */
export function loadBrokerConfig(file: string | undefined, env: NodeJS.ProcessEnv): BrokerConfig {
  return loadConfig(brokerConfig, {
    file,
    env,
    prefix: "SLICELAB_BROKER",
    aliases: { DATABASE_URL: "database", REDIS_URL: "redis" },
  });
}
