import { z } from "zod";
import { loadConfig } from "#shared/runtime/config.ts";

/** What an authority that serves can be told. A port of 0 is chosen when it starts. */
export const authorityConfig = z.strictObject({
  directory: z.string().min(1).describe("where the authority is kept: what slicelab authority init made"),
  addresses: z
    .array(z.string().min(1).max(255))
    .min(1)
    .max(32)
    .describe("the names and IP addresses it is called by; its own service's certificate has them"),
  registrars: z
    .array(
      z
        .string()
        .regex(
          /^([0-9a-f]{64}|\/.+)$/,
          "must be the SHA-256 name of a key, or the absolute path of a certificate",
        ),
    )
    .max(1000)
    .describe(
      "for whom it certifies others, agents mostly: SHA-256 names of their keys, or files of their certificates",
    ),
  listen: z
    .strictObject({
      address: z.string().default("127.0.0.1").describe("the address it serves"),
      tls_port: z.int().min(0).max(65_535).default(6001).describe("where calls are taken"),
    })
    .prefault({}),
  longest_days: z.int().min(1).max(9999).default(365).describe("the longest that a certificate is valid"),
  list_days: z
    .int()
    .min(1)
    .max(366)
    .default(7)
    .describe(
      "how long its list of revoked keys is good for; another is signed at half of that, whether more was revoked or not",
    ),
  certificates_a_day: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(1000)
    .describe(
      "the most that one registrar gets in 24 hours, so that a stolen key of one does not certify a world",
    ),
});

export type AuthorityConfig = z.output<typeof authorityConfig>;

/** From a TOML file and the environment: SLICELAB_AUTHORITY_…. Throws ConfigError. */
export function loadAuthorityConfig(file: string | undefined, env: NodeJS.ProcessEnv): AuthorityConfig {
  return loadConfig(authorityConfig, { file, env, prefix: "SLICELAB_AUTHORITY" });
}
