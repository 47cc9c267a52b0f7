import { X509Certificate } from "node:crypto";
import type { ServerTlsOptions } from "../identity/tls.ts";

/** The certificate that is shown on connections over TLS, and on which of them it was an older one. */
export class ShownCertificate {
  #options: ServerTlsOptions;
  #certificate: X509Certificate;
  readonly #madeUnder = new WeakMap<object, ServerTlsOptions>();

  constructor(options: ServerTlsOptions) {
    this.#options = options;
    this.#certificate = new X509Certificate(options.cert);
  }

  renew(options: ServerTlsOptions): void {
    this.#options = options;
    this.#certificate = new X509Certificate(options.cert);
  }

  made(connection: object): void {
    this.#madeUnder.set(connection, this.#options);
  }

  isOutdated(connection: object): boolean {
    return this.#madeUnder.get(connection) !== this.#options;
  }

  /** Whether it is made for this name. */
  names(host: string): boolean {
    return this.#certificate.checkHost(host, { subject: "never", wildcards: false }) !== undefined;
  }
}
