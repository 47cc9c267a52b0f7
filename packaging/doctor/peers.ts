import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { connect } from "node:net";
import { z } from "zod";
import type { Identity } from "#shared/identity/identity.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { Fault } from "#shared/model/errors.ts";
import { authorityApi } from "#shared/wire/authority-api.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { contract, method } from "#shared/wire/xmlrpc/contract.ts";
import { isCallFailure, TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { Report } from "./finding.ts";

/** A service that is called: where, and whose key must be there. */
export type Called = { readonly url: string; readonly identity?: string };

const PATIENCE_MS = 5_000;

/** What every service of ours answers to whoever has a certificate. */
const anyService = contract({ getconfig: method({ result: z.looseObject({}), help: "Its configuration." }) });

/** Calls each service as `identity` would, in earnest: connection, certificates, pinned key, answer. */
export async function checkServices(
  report: Report,
  identity: Identity,
  what: "agent" | "broker",
  services: readonly Called[],
): Promise<void> {
  using connections = new Connections(clientTlsOptions(identity.tls));
  for (const service of services) {
    const failure = await call(connections, service);
    if (!failure) report.well(what, `${service.url} answers`);
    else report.trouble(what, `${service.url}: ${failure.message}`, mending(failure, what));
  }
}

/** Asks an authority that serves, as `identity` would, for what it tells everybody. */
export async function checkAuthority(
  report: Report,
  identity: Identity,
  { url, identity: pin }: Called,
): Promise<void> {
  using connections = new Connections(clientTlsOptions(identity.tls));
  const options = { url, connections, expectedPeer: pin, timeoutMs: PATIENCE_MS };
  try {
    await xmlRpcClient(authorityApi, options).getauthority();
    report.well("authority service", `${url} answers`);
  } catch (error) {
    if (!isCallFailure(error)) throw error;
    report.warning(
      "authority service",
      `${url}: ${error.message}; nobody can be enrolled`,
      mending(error, "authority"),
    );
  }
}

/** Whether the service whose `identity` this is answers at `url` now. */
export async function isServing(identity: Identity, url: string): Promise<boolean> {
  using connections = new Connections(clientTlsOptions(identity.tls));
  const failure = await call(connections, { url, identity: identity.name });
  return !failure || !(failure instanceof TransportError);
}

async function call(connections: Connections, { url, identity }: Called): Promise<Error | undefined> {
  const options = { url, connections, expectedPeer: identity, timeoutMs: PATIENCE_MS };
  try {
    await xmlRpcClient(anyService, options).getconfig();
    return undefined;
  } catch (error) {
    if (isCallFailure(error)) return error;
    throw error;
  }
}

function mending(failure: Error, what: string): string {
  if (failure instanceof Fault)
    return `ask the administrator of the ${what}: it does not accept this certificate`;
  switch (failure instanceof TransportError ? failure.kind : "malformed") {
    case "refused":
      return `see that the ${what} runs there, that names resolve, and that no firewall is between`;
    case "tls":
      return `see that both have certificates of one authority: slicelab authority show FILE`;
    case "wrong-peer":
      return `another key is there than the configuration says: ask the administrator of the ${what} for its name`;
    default:
      return `see the log of the ${what}, and whether this port is its TLS port`;
  }
}

/** Whether TCP connections to `host` are taken at all. */
export async function checkReachable(
  report: Report,
  what: string,
  places: readonly { readonly host: string; readonly port: number }[],
): Promise<void> {
  for (const { host, port } of places) {
    const socket = connect({ host, port, timeout: PATIENCE_MS });
    socket.once("timeout", () => socket.destroy(Object.assign(new Error(), { code: "ETIMEDOUT" })));
    try {
      await once(socket, "connect");
      report.well(what, `${host}:${port} takes connections`);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      const mend = "see that it runs there and that no firewall is between";
      report.warning(what, `${host}:${port} cannot be reached (${code})`, mend);
    } finally {
      socket.destroy();
    }
  }
}

/** Whether names lead to addresses: all that can be known of those who are told by datagrams and never answer. */
export async function checkNames(
  report: Report,
  what: string,
  places: readonly { readonly host: string }[],
): Promise<void> {
  for (const { host } of places) {
    try {
      const { address } = await lookup(host);
      report.well(what, `${host} has an address${address === host ? "" : `: ${address}`}`);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      report.warning(what, `${host} has no address (${code})`, "correct the name, or write an address");
    }
  }
}
