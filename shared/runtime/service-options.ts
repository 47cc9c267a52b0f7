import { z } from "zod";

/** A port a service listens at; 0 takes any free one. */
export const listeningPort = z.int().min(0).max(65_535);

/** Names of its pages. Addresses need none: see shared/web/host.ts. */
export const webNames = z
  .array(
    z
      .string()
      .regex(/^[\w.-]{1,253}$/, "must be the name of a host, without a port")
      .transform((name) => name.toLowerCase()),
  )
  .max(64)
  .optional()
  .describe("names under which its pages are asked for, besides addresses and localhost; others are refused");

/** Who sees on its pages over TLS what is everybody's. */
export const administrators = z
  .array(z.string().regex(/^[0-9a-f]{64}$/, "must be the SHA-256 name of a key, 64 hex digits"))
  .max(100)
  .optional()
  .describe(
    "SHA-256 names of the keys of those who administer it: its pages over TLS show them whose everything is; others see what is their own",
  );

/** The files that say who a service is, and whom it believes that others are who they say. */
export const identityFiles = z
  .strictObject({
    key: z.string().describe("the file of its private key"),
    certificate: z.string().describe("the file of its certificate, made for a server"),
    authority: z
      .string()
      .describe(
        "the file of the authority's certificate; of several, one after the other, while one takes over",
      ),
  })
  .describe("the files of its identity");

/** Where a service is, and the key it has to hold there. */
export const peerAddress = z.strictObject({
  identity: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "must be the SHA-256 name of its key, 64 hex digits")
    .describe("the SHA-256 name of its key"),
  url: z.url({ protocol: /^https$/ }).describe("where it answers: https://host:port/RPC2"),
});
