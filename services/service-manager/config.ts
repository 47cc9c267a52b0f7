import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { OperatorError } from "#shared/model/errors.ts";
import { loadConfig } from "#shared/runtime/config.ts";

/** What config.toml of a home can say. */
export const serviceManagerConfig = z.strictObject({
  authority: z.string().describe("the file of the authority's certificate, ca.pem"),
  key: z.string().describe("the file of your private key"),
  certificate: z.string().describe("the file of the certificate the authority issued to your key"),
  agents: z
    .array(
      z.strictObject({
        url: z.url({ protocol: /^https$/ }).describe("where the agent answers: https://host:port/RPC2"),
        identity: z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .optional()
          .describe(
            "the SHA-256 name of the agent's key; without it, its certificate must carry its address",
          ),
      }),
    )
    .min(1)
    .describe("the agents tickets are asked from"),
  broker: z
    .strictObject({
      url: z.url({ protocol: /^https$/ }).describe("where the broker answers: https://host:port/RPC2"),
      identity: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional()
        .describe("the SHA-256 name of the broker's key; without it, its certificate must carry its address"),
    })
    .optional()
    .describe("the broker that finds nodes and gathers tickets; absent: this program does it itself"),
});

export type ServiceManagerConfig = {
  readonly authority: string;
  readonly key: string;
  readonly certificate: string;
  readonly agents: readonly Service[];
  readonly broker?: Service;
};

/** A service by its address and, where that is known, the name of its key. */
export type Service = { readonly url: string; readonly identity?: string };

const EXAMPLE = `authority = "ca.pem"
key = "me.key"
certificate = "me.crt"

[[agents]]
url = "https://agent.example.org:7001/RPC2"`;

/** Reads config.toml of a home. Files it names are relative to the home. Throws OperatorError or ConfigError. */
export function loadServiceManagerConfig(home: string): ServiceManagerConfig {
  const file = join(home, "config.toml");
  if (!existsSync(file)) {
    throw new OperatorError(
      `there is no ${file}; slice join makes one, with an invitation of an agent's administrator; or write one that names your key and your agent:\n\n${EXAMPLE}\n`,
    );
  }
  const { authority, key, certificate, agents, broker } = loadConfig(serviceManagerConfig, { file });
  return {
    authority: resolve(home, authority),
    key: resolve(home, key),
    certificate: resolve(home, certificate),
    agents,
    broker,
  };
}
