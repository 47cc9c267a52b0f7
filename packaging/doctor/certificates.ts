import { isIP } from "node:net";
import { type CertificateKind, certificateFacts, parseCertificate } from "#shared/identity/certificate.ts";
import { type Identity, loadIdentity } from "#shared/identity/identity.ts";
import { Trust } from "#shared/identity/trust.ts";
import { OperatorError } from "#shared/model/errors.ts";
import type { Report } from "./finding.ts";

export type Certified = {
  readonly files: { readonly key: string; readonly certificate: string; readonly authority: string };
  readonly kind: CertificateKind;
  /** The address it serves; absent for clients, and for services that listen everywhere. */
  readonly address?: string;
};

const DAY_MS = 86_400_000;
const SOON_DAYS = 30;

/** Loads an identity as its service does, and looks at what its start would not refuse, too. Undefined: it is unusable. */
export async function checkCertificates(
  report: Report,
  { files, kind, address }: Certified,
  now: Date,
): Promise<Identity | undefined> {
  const { key, certificate: cert, authority: ca } = files;
  let identity: Identity;
  try {
    identity = await loadIdentity({ key, cert, ca });
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    report.trouble("certificate", error.message, "put the file there, readable by the service alone");
    return undefined;
  }
  const own = parseCertificate(identity.tls.cert);
  const trust = new Trust(identity.tls.ca);
  const { validity, kind: actual, addresses } = certificateFacts(own);
  const again = `slicelab authority issue REQUEST --kind ${kind} … makes another for the same key`;
  if (!trust.vouchesFor(own)) {
    report.trouble("certificate", `${cert} was not issued by an authority in ${ca}`, again);
  } else if (actual !== kind) {
    report.trouble("certificate", `${cert} is made for a ${actual}, not for a ${kind}`, again);
  } else if (address !== undefined && !own[isIP(address) ? "checkIP" : "checkHost"](address)) {
    const names = addresses.join(", ") || "no address";
    report.warning(
      "certificate",
      `${cert} is for ${names}, not for ${address}: only callers who pin its key accept it`,
      `${again}, with --address ${address}`,
    );
  } else report.well("certificate", `key ${identity.name.slice(0, 16)}…, certified by ${ca}`);
  checkTerm(report, { name: "term", file: cert, mend: again, now }, validity);
  const renewal = "make a new authority before then, and certify everybody's keys with it";
  for (const authority of trust.authorities) {
    const ofAuthority = certificateFacts(authority).validity;
    checkTerm(report, { name: "authority", file: ca, mend: renewal, now }, ofAuthority);
  }
  return identity;
}

type Term = { readonly name: string; readonly file: string; readonly mend: string; readonly now: Date };

function checkTerm(
  report: Report,
  { name, file, mend, now }: Term,
  { notBefore, notAfter }: { notBefore: Date; notAfter: Date },
): void {
  const days = Math.floor((notAfter.getTime() - now.getTime()) / DAY_MS);
  const until = notAfter.toISOString().slice(0, 10);
  if (now < notBefore) {
    report.trouble(name, `${file} is not valid before ${notBefore.toISOString()}`, "set the clock, or wait");
  } else if (now >= notAfter) report.trouble(name, `${file} ended on ${until}`, mend);
  else if (days < SOON_DAYS) report.warning(name, `${file} ends in ${days} days, on ${until}`, mend);
  else report.well(name, `${file} is valid until ${until}`);
}
