import { z } from "zod";
import { loadConfig } from "#shared/runtime/config.ts";
import {
  identityFiles,
  peerAddress,
  listeningPort as port,
  webNames,
} from "#shared/runtime/service-options.ts";

const amount = z.int().min(0).max(999_999_999_999);
const DAY = 86_400;

/** What an agent can be told. Ports of 0 are chosen when it starts. */
export const agentConfig = z.strictObject({
  database: z.string().describe("the URL of a PostgreSQL database"),
  identity: identityFiles,
  ticket_key: z
    .string()
    .describe(
      "the file of the Ed25519 key that signs tickets; it is made the first time, readable by its owner alone",
    ),
  previous_ticket_key: z
    .string()
    .optional()
    .describe(
      "where the ticket key before this one is kept while something stands on it; absent: beside it, as ticket-before.key",
    ),
  listen: z
    .strictObject({
      address: z.string().default("127.0.0.1").describe("the address the agent serves"),
      tls_port: port.default(7001).describe("where calls are taken"),
      plain_port: port
        .optional()
        .describe("where calls of strangers are answered as version 0.5 did; absent: nowhere"),
      web_port: port.default(7002).describe("where its pages are, for anybody"),
      web_names: webNames,
      web_tls_port: port
        .optional()
        .describe(
          "where principals and administrators see more of them, with their certificates; absent: nowhere",
        ),
    })
    .prefault({}),
  authority: z
    .strictObject({
      url: z.url({ protocol: /^https$/ }).describe("where it answers: https://host:port/RPC2"),
      identity: peerAddress.shape.identity.optional(),
    })
    .optional()
    .describe(
      "the authority that certifies newcomers for this agent, which it names as a registrar; absent: its operator certifies them by hand",
    ),
  enrolment: z
    .strictObject({
      url: z
        .url({ protocol: /^https$/ })
        .optional()
        .describe("where newcomers find this agent; absent: at the first address of its certificate"),
      strangers: z
        .int()
        .min(0)
        .max(100_000)
        .default(100)
        .describe("how many may wait to be enrolled who have no invitation; 0: there are none"),
      request_days: z.int().min(1).max(365).default(14).describe("how long one waits to be decided about"),
    })
    .prefault({}),
  revocation_seconds: z
    .int()
    .min(1)
    .max(3600)
    .default(30)
    .describe("how often the authority, and other agents, are asked for what the authority has revoked"),
  agents: z
    .array(peerAddress)
    .default([])
    .describe("agents that hand parts of their nodes on to this one, and are asked how these nodes are"),
  gather_seconds: z.int().positive().default(20).describe("how often those agents are asked"),
  max_lease_seconds: z
    .int()
    .positive()
    .default(28 * DAY)
    .describe("the longest lease anybody gets"),
  overbooking: z
    .int()
    .min(1000)
    .max(10_000)
    .default(1000)
    .describe("how much of what it holds it issues, per mille: 1000 issues no more than it holds"),
  default_resources: z
    .strictObject({
      cpu_millis: amount.default(0).describe("thousandths of a processor core"),
      memory_mib: amount.default(128).describe("memory, in MiB"),
      disk_mib: amount.default(512).describe("disk, in MiB"),
      egress_kbps: amount.default(0).describe("what it sends, in kbit/s"),
    })
    .prefault({})
    .describe("what a sliver gets when nothing is asked for"),
  scan_seconds: z
    .int()
    .positive()
    .default(60)
    .describe("how often nodes are asked about tickets that nobody reported"),
  monitors: z
    .array(
      z.strictObject({
        host: z
          .string()
          .regex(/^[\w.:-]{1,255}$/, "must be a name or an address")
          .describe("its name or address"),
        port: z.int().min(1).max(65_535).default(8649).describe("the TCP port of its dump"),
      }),
    )
    .max(64)
    .default([])
    .describe("resource monitors, gmonds or gmetads that tell how nodes are"),
  poll_seconds: z.int().min(5).max(3600).default(30).describe("how often each monitor is asked"),
});

export type AgentConfig = z.output<typeof agentConfig>;

/** From a TOML file and the environment: SLICELAB_AGENT_… and, for the database, DATABASE_URL. */
export function loadAgentConfig(file: string | undefined, env: NodeJS.ProcessEnv): AgentConfig {
  return loadConfig(agentConfig, {
    file,
    env,
    prefix: "SLICELAB_AGENT",
    aliases: { DATABASE_URL: "database" },
  });
}
