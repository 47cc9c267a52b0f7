import { textTable } from "#shared/runtime/listing.ts";
import type { Authority } from "./authority.ts";
import type { IssuedRecord } from "./register.ts";
import type { Subject } from "./subject.ts";

/** An issued certificate and what became of it. */
export type ListedCertificate = IssuedRecord & { readonly status: "valid" | "expired" | "revoked" };

/** Every certificate with its standing at `now`, oldest first. */
export async function listCertificates(authority: Authority, now: Date): Promise<ListedCertificate[]> {
  const revoked = new Set((await authority.revoked()).map((record) => record.key));
  return (await authority.issued()).map((record) => ({ ...record, status: statusOf(record, revoked, now) }));
}

function statusOf(
  record: IssuedRecord,
  revoked: ReadonlySet<string>,
  now: Date,
): ListedCertificate["status"] {
  if (revoked.has(record.key)) return "revoked";
  return now < new Date(record.notAfter) ? "valid" : "expired";
}

/** One line a certificate, for a terminal. Keys are shortened; `-o json` has them whole. */
export function certificateTable(certificates: readonly ListedCertificate[]): string {
  const rows = certificates.map((one) => [
    one.name,
    one.kind,
    one.key.slice(0, 16),
    one.notAfter.slice(0, 10),
    one.status,
    one.addresses.join(" "),
  ]);
  return textTable([["NAME", "KIND", "KEY", "UNTIL", "STATUS", "ADDRESSES"], ...rows]);
}

/** What `show` prints as lines of a name and a value. */
export function subjectTable(subject: Subject): string {
  const fields = Object.entries(subjectRecord(subject));
  return textTable(
    fields.map(([name, value]) => [name, typeof value === "string" ? value : value.join(" ")]),
  );
}

/** What `show -o json` prints. `sha256` is the key's name; `sha1` the one version 0.5 of PlanetLab called it. */
export function subjectRecord({
  what,
  key,
  certificate,
}: Subject): Record<string, string | readonly string[]> {
  const common = { what, algorithm: key.algorithm, sha256: key.name, sha1: key.sha1 };
  if (!certificate) return common;
  return {
    ...common,
    name: certificate.name,
    kind: certificate.kind,
    issuer: certificate.issuer,
    serial: certificate.serial,
    notBefore: certificate.validity.notBefore.toISOString(),
    notAfter: certificate.validity.notAfter.toISOString(),
    addresses: certificate.addresses,
  };
}
