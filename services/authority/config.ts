import { isIP } from "node:net";
import { z } from "zod";
import { loadConfig } from "#shared/runtime/config.ts";

const key = z
  .string()
  .regex(/^([0-9a-f]{64}|\/.+)$/, "must be the SHA-256 name of a key, or the absolute path of a certificate");

const granted = z
  .string()
  .refine(
    isGrantable,
    "must be an IP address, a network such as 192.0.2.0/24, a name in lower case, or *. and a domain",
  );

/** A registrar: its key alone, for which only people are certified, or with the addresses that servers may have. */
const registrar = z.union(
  [key, z.strictObject({ key, addresses: z.array(granted).max(1000) })],
  "must be the SHA-256 name of a key or the absolute path of a certificate, or { key = one of these, addresses = [IP addresses, networks, names in lower case, *.domains] }",
);
export type RegistrarWish = z.output<typeof registrar>;

/** What an authority that serves can be told. A port of 0 is chosen when it starts. */
export const authorityConfig = z.strictObject({
  directory: z.string().min(1).describe("where the authority is kept: what slicelab authority init made"),
  addresses: z
    .array(z.string().min(1).max(255))
    .min(1)
    .max(32)
    .describe("the names and IP addresses it is called by; its own service's certificate has them"),
  registrars: z
    .array(registrar)
    .max(1000)
    .describe(
      "for whom it certifies others, agents mostly: key is the SHA-256 name of theirs, or the file of their certificate, and addresses are those that nodes and services may be certified for through them: IP addresses, networks, names, and *.example.org for all names below. A key alone, without addresses, is for people only",
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

const DNS_NAME = /^(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

function isGrantable(text: string): boolean {
  const [address = "", bits, ...more] = text.split("/");
  const version = isIP(address);
  if (version === 0) return DNS_NAME.test(text) && text.length <= 255 && !/^[0-9.]+$/.test(text);
  if (more.length > 0) return false;
  return (
    bits === undefined || (/^(0|[1-9][0-9]{0,2})$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
  );
}

/** From a TOML file and the environment: SLICELAB_AUTHORITY_…. Throws ConfigError. */
export function loadAuthorityConfig(file: string | undefined, env: NodeJS.ProcessEnv): AuthorityConfig {
  return loadConfig(authorityConfig, { file, env, prefix: "SLICELAB_AUTHORITY" });
}
