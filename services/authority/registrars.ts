import { readFile } from "node:fs/promises";
import { BlockList, isIP } from "node:net";
import { parseCertificate } from "#shared/identity/certificate.ts";
import { type KeyName, publicKeyOf } from "#shared/identity/key.ts";
import { OperatorError, refuseUnless } from "#shared/model/errors.ts";
import type { RegistrarWish } from "./config.ts";

/** Somebody an authority certifies others for. */
export type Registrar = {
  readonly key: KeyName;
  /** What servers may be certified for that it asks for, as the operator wrote it. */
  readonly addresses: readonly string[];
};

/** Those that an authority certifies for, as its configuration names them. Throws OperatorError. */
export async function readRegistrars(
  named: readonly RegistrarWish[],
): Promise<ReadonlyMap<KeyName, Registrar>> {
  const all = await Promise.all(
    named.map(async (one) => {
      const { key, addresses } = typeof one === "string" ? { key: one, addresses: [] } : one;
      return { key: await registrarKey(key), addresses };
    }),
  );
  return new Map(all.map((registrar) => [registrar.key, registrar]));
}

/** A registrar's key: its name as it is, or that of the key in a certificate's file. Throws OperatorError. */
async function registrarKey(named: string): Promise<KeyName> {
  if (!named.startsWith("/")) return named;
  try {
    return publicKeyOf(parseCertificate(await readFile(named, "utf8")).publicKey).name;
  } catch (cause) {
    throw new OperatorError(
      `the registrar's certificate ${named} cannot be read: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/**
 * Throws NO_PRIVILEGE unless every address is one that the registrar may have certified: a name or IP address that was
 * listed, an address of a network (`192.0.2.0/24`), or a name below a domain (`*.example.org`).
 */
export function refuseUngranted({ key, addresses: granted }: Registrar, addresses: readonly string[]): void {
  const foreign = addresses.find((address) => !granted.some((grant) => covers(grant, address)));
  const said = granted.length === 0 ? "no address" : granted.join(", ");
  refuseUnless(
    foreign === undefined,
    "NO_PRIVILEGE",
    `this authority certifies ${said} for the registrar ${key.slice(0, 12)}, and not ${foreign}; have its operator add it to that registrar's addresses in authority.toml`,
  );
}

function covers(grant: string, address: string): boolean {
  const [network = "", bits] = grant.split("/");
  // Of one version: ::/0 is not all of IPv4, although Node counts that as a part of it (RFC 4291 §2.5.5.2).
  if (isIP(network) !== 0) return isIP(address) === isIP(network) && isWithin(network, bits, address);
  if (isIP(address) !== 0) return false;
  return grant.startsWith("*.") ? address.endsWith(grant.slice(1)) : address === grant;
}

function isWithin(network: string, bits: string | undefined, address: string): boolean {
  const block = new BlockList();
  if (bits === undefined) block.addAddress(network, familyOf(network));
  else block.addSubnet(network, Number(bits), familyOf(network));
  return block.check(address, familyOf(address));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
