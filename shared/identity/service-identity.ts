import { Fault, OperatorError } from "../model/errors.ts";
import { checkRenewed, type RenewalRequest, renewalIsDue, renewalRequest } from "./certificate-renewal.ts";
import {
  type Identity,
  type IdentityFiles,
  identityFrom,
  readCertificates,
  type TlsCredentials,
} from "./identity.ts";
import type { KeyName } from "./key.ts";
import { loadKeyFile } from "./key-file.ts";
import { replaceFile } from "./new-file.ts";
import { certificateConcerns, type ServiceCertificates, servingCertificate } from "./service-certificate.ts";
import type { SigningKey } from "./signature.ts";
import { Trust } from "./trust.ts";

/** What a service's identity needs of the service. */
export type ServiceIdentityTerms = {
  /** Where calls are taken: the certificate should name it. */
  readonly address: string;
  /** Real time: TLS checks certificates against it. */
  readonly now: () => Date;
  readonly log: {
    info(details: object, message: string): void;
    warn(details: object, message: string): void;
  };
  /** How often the files are looked at, in milliseconds. */
  readonly everyMs?: number;
};

const EVERY_MS = 2_000;
const RENEWED_EVERY_MS = 60_000;
const CERTIFICATE_MODE = 0o644;

/** Told the credentials that hold from now on. */
type Follower = (tls: TlsCredentials) => void;

/**
 * Who a service is for as long as it runs: its key, and so its name, stays, while certificate and trust are those of
 * their files and may change under it. What is put there and can't be used is complained of, and what was used before
 * goes on being used.
 */
export class ServiceIdentity implements Identity, Disposable {
  readonly signingKey: SigningKey;
  readonly #files: IdentityFiles;
  readonly #terms: ServiceIdentityTerms;
  readonly #followers: Follower[] = [];
  readonly #timer: NodeJS.Timeout;
  #tls: TlsCredentials;
  #trust: Trust;
  #refusal: string | undefined;
  #ask: ((request: RenewalRequest) => Promise<string>) | undefined;
  #renewals: NodeJS.Timeout | undefined;
  #renewing: Promise<void> | undefined;
  /** It is to be renewed, and was not yet. */
  #unrenewed = false;

  /** `openServiceIdentity` makes it. */
  constructor(files: IdentityFiles, { signingKey, tls }: Identity, terms: ServiceIdentityTerms) {
    this.signingKey = signingKey;
    this.#files = files;
    this.#terms = terms;
    this.#tls = tls;
    this.#trust = new Trust(tls.ca);
    this.#timer = setInterval(() => void this.look(), terms.everyMs ?? EVERY_MS).unref();
  }

  get name(): KeyName {
    return this.signingKey.public.name;
  }

  /** What TLS shows and trusts now. */
  get tls(): TlsCredentials {
    return this.#tls;
  }

  /** Who is believed now. Another object whenever that changes. */
  get trust(): Trust {
    return this.#trust;
  }

  /** Why what is in the files is not used. Names files, so it is for the operator only. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Has `follower` called with the credentials whenever they change. */
  follow(follower: Follower): void {
    this.#followers.push(follower);
  }

  /** What its operator should look after, for the log and for pages: it names no file. */
  concerns(now: Date): string[] {
    const { address } = this.#terms;
    const concerns = certificateConcerns(this.#tls, { address, now });
    if (this.#unrenewed)
      concerns.push(
        "this service's certificate should have been renewed by now and was not; it goes on trying, and its log says why it fails",
      );
    if (this.#refusal === undefined) return concerns;
    return [
      ...concerns,
      "the files of this service's certificate and authorities have changed and what is there can't be used; it goes on with what it had, and its log says why",
    ];
  }

  /** Has the certificate renewed by `ask` whenever that is due, from now on. */
  renewWith(ask: (request: RenewalRequest) => Promise<string>): void {
    this.#ask = ask;
    clearInterval(this.#renewals);
    this.#renewals = setInterval(() => void this.renew(), RENEWED_EVERY_MS).unref();
    void this.renew();
  }

  /** Renews the certificate now if that is due, or joins whoever does. What goes wrong is logged, and tried again. */
  renew(): Promise<void> {
    this.#renewing ??= this.#renewIfDue().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renewIfDue(): Promise<void> {
    const { now, log } = this.#terms;
    try {
      this.#unrenewed = this.#ask !== undefined && renewalIsDue(this.#tls, now());
      if (!this.#ask || !this.#unrenewed) return;
      const renewed = await this.#ask(await renewalRequest(this));
      checkRenewed(this.#tls, renewed, now());
      await replaceFile(this.#files.cert, renewed, CERTIFICATE_MODE);
      await this.look();
      this.#unrenewed = false;
    } catch (err) {
      if (this.#ask) log.warn({ err }, "the certificate could not be renewed; it is tried again");
    }
  }

  /** Looks at the files at once. Resolves when what is there is used, or refused. */
  async look(): Promise<void> {
    const { log } = this.#terms;
    let found: ServiceCertificates;
    try {
      found = await readCertificates(this.#files, this.signingKey);
      if (found.cert !== this.#tls.cert || found.ca !== this.#tls.ca) this.#check(found);
    } catch (error) {
      if (!(error instanceof OperatorError) && !(error instanceof Fault)) throw error;
      if (this.#refusal !== error.message)
        log.warn({ reason: error.message }, "the new certificate or authorities are not used");
      this.#refusal = error.message;
      return;
    }
    this.#refusal = undefined;
    if (found.cert !== this.#tls.cert || found.ca !== this.#tls.ca) this.#use(found);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    clearInterval(this.#renewals);
    this.#ask = undefined;
    this.#followers.length = 0;
  }

  /** At its start a service takes what there is; while it has something better it does not. */
  #check(found: ServiceCertificates): void {
    const { name, validity } = servingCertificate(found);
    const now = this.#terms.now();
    const [begun, over] = [now >= validity.notBefore, now >= validity.notAfter];
    if (begun && !over) return;
    throw new OperatorError(
      `the certificate of ${name} in ${this.#files.cert} ${over ? `ended at ${validity.notAfter.toISOString()}` : `begins at ${validity.notBefore.toISOString()}`}`,
    );
  }

  #use({ cert, ca }: ServiceCertificates): void {
    const trusts = new Trust(ca);
    this.#tls = { ...this.#tls, cert, ca };
    this.#trust = trusts;
    const { validity } = servingCertificate(this.#tls);
    this.#terms.log.info(
      { until: validity.notAfter.toISOString(), authorities: trusts.authorities.length },
      "another certificate or other authorities are used from now on",
    );
    for (const follower of this.#followers) follower(this.#tls);
    void this.renew(); // another authority may be the first by now
  }
}

/**
 * Opens a service's identity, and follows its files until it is disposed of. Throws OperatorError for what is missing,
 * readable by others, doesn't match, or could never be accepted by a caller.
 */
export async function openServiceIdentity(
  files: IdentityFiles,
  terms: ServiceIdentityTerms,
): Promise<ServiceIdentity> {
  const signingKey = await loadKeyFile(files.key);
  const { cert, ca } = await readCertificates(files, signingKey);
  servingCertificate({ cert, ca });
  return new ServiceIdentity(files, identityFrom(signingKey, cert, ca), terms);
}
