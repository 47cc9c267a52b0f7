import type { XmlRpcServer } from "../wire/xmlrpc/server.ts";
import type { WebServer } from "./server.ts";

/** Where a service that has started takes calls and shows pages, as it announces it. */
export type ServedPlaces = {
  readonly tls: string;
  readonly plain?: string;
  readonly web: string;
  readonly web_tls?: string;
};

export function servedPlaces(
  { url: tls, plainUrl: plain }: Pick<XmlRpcServer, "url" | "plainUrl">,
  { url: web, secureUrl: web_tls }: Pick<WebServer, "url" | "secureUrl">,
): ServedPlaces {
  return {
    ...{ tls, web },
    ...(plain !== undefined && { plain }),
    ...(web_tls !== undefined && { web_tls }),
  };
}
