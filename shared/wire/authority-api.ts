import { z } from "zod";
import { contract, method } from "./xmlrpc/contract.ts";

/**
 * What an authority that serves can be asked. It certifies for its *registrars* alone: services, agents mostly, whose
 * keys its own configuration names and whom it believes who is who.
 */

const pem = z.string().max(16_384);
const certificate = z.string().describe("PEM");
const time = z.string().describe("YYYY-MM-DD HH:MM:SS in UTC");

const issued = z.object({
  certificate,
  serial: z.string(),
  validto_time: time.describe("when it ends"),
});

/** The most addresses one certificate has. */
const MAX_ADDRESSES = 32;

export const authorityApi = contract({
  certify: method({
    params: z.object({
      csr: pem.describe("a certificate request in PEM, for the key in it and nothing else"),
      name: z.string().max(64).describe("what its holder is called in the certificate"),
      kind: z.enum(["client", "server"]),
      addresses: z.array(z.string().max(255)).max(MAX_ADDRESSES).optional().describe("of a server"),
      days: z.int().min(1).max(9999).optional().describe("the longest there is, where it is absent"),
    }),
    result: issued,
    mutates: true,
    help: "Certifies a key, for registrars of this authority. A revoked key is never certified again.",
  }),
  renew: method({
    params: z.object({
      csr: pem.describe("a certificate request of the same key"),
      current: pem.describe("its certificate, still valid, of this authority"),
    }),
    result: issued,
    mutates: true,
    help: "Certifies a key again for as long as before, under the same name and addresses, for registrars.",
  }),
  getauthority: method({
    result: z.array(certificate),
    open: true,
    help: "The authority's own certificates, the present one first. Believe them only if you know their key.",
  }),
  getrevocations: method({
    result: z.string().nullable(),
    open: true,
    help: "The signed list of revoked keys, also while it names none. An earlier authority's answer may be nil.",
  }),
});
