import type { AddressInfo } from "node:net";
import type { Server as TlsServer } from "node:tls";
import type { FastifyInstance } from "fastify";
import type { ServerTlsOptions } from "../identity/tls.ts";
import { hostAndPort } from "../model/address.ts";
import type { Instant } from "../model/time.ts";
import type { Log } from "../runtime/log.ts";
import { loadAssets } from "./assets.ts";
import type { LiveTerms } from "./live.ts";
import type { Route } from "./route.ts";
import type { SecurePort } from "./secure-port.ts";
import { ShownCertificate } from "./shown-certificate.ts";
import { siteOf } from "./site.ts";
import type { VisitLimits } from "./visits.ts";

/** Where pages are. */
export type WebPlace = {
  readonly address: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** Names they are asked for by, besides addresses. */
  readonly names?: readonly string[];
  /** Where those with certificates see more, if anywhere. */
  readonly secure?: SecurePort;
};

export type WebOptions = WebPlace & {
  /** "Slicelab agent". */
  readonly service: string;
  readonly routes: readonly Route[];
  readonly now: () => Instant;
  /** Throws when what the service needs for its work is away. */
  readonly ready: () => Promise<unknown> | unknown;
  /** Numbers, as OpenMetrics has them. */
  readonly metrics?: () => Promise<string> | string;
  /** What is no page: documents of the service's own. */
  readonly more?: (app: FastifyInstance) => void;
  /** How often what changed is told to those who look on, in milliseconds, and to how many. */
  readonly live?: Partial<LiveTerms>;
  /** How much one client may ask. */
  readonly visits?: Partial<VisitLimits>;
  readonly log: Log;
};

export type WebServer = AsyncDisposable & {
  readonly port: number;
  readonly url: string;
  /** Where the pages are over TLS, if they are. */
  readonly securePort?: number;
  readonly secureUrl?: string;
  /** Over TLS, shows another certificate or trusts others from now on; connections there are end after an answer. */
  renew(options: ServerTlsOptions): void;
};

/**
 * Serves pages that show and never change anything: GET only, and over plain HTTP the same for everybody. Each is HTML,
 * or JSON where the path ends in .json or the request accepts that and no HTML. Beside them are `/health` (the process
 * answers), `/ready` (so does what it needs) and, where there are numbers, `/metrics`.
 */
export async function startWebServer(options: WebOptions): Promise<WebServer> {
  const { address, port, secure } = options;
  const assets = await loadAssets();
  await using owned = new AsyncDisposableStack();
  const open = async (app: FastifyInstance, at: number) => {
    owned.defer(() => app.close());
    await app.listen({ host: address, port: at });
    return (app.server.address() as AddressInfo).port;
  };
  const shown = secure && new ShownCertificate(secure.options);
  const secureSite = shown && (await siteOf(options, assets, { ...secure, shown }));
  const securePort = secureSite && (await open(secureSite, secure.port));
  const plainPort = await open(await siteOf(options, assets), port);
  const kept = owned.move();
  return {
    port: plainPort,
    url: `http://${hostAndPort(address, plainPort)}/`,
    ...(securePort !== undefined && {
      securePort,
      secureUrl: `https://${hostAndPort(address, securePort)}/`,
    }),
    renew(tls) {
      shown?.renew(tls);
      (secureSite?.server as TlsServer | undefined)?.setSecureContext(tls);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
