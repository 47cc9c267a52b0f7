import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer } from "node:https";
import { serverTlsOptions } from "#shared/identity/tls.ts";
import type { Lease } from "#shared/model/lease.ts";
import type { SliceTicket } from "#shared/model/ticket.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { sealLease } from "#shared/wire/lease-document.ts";
import { readTicket } from "#shared/wire/ticket-document.ts";
import { decodeCall } from "#shared/wire/xmlrpc/decode.ts";
import { encodeFault, encodeResponse } from "#shared/wire/xmlrpc/encode.ts";
import type { Struct } from "#shared/wire/xmlrpc/value.ts";
import type { TestIdentity } from "#test/support/authority.ts";

/** What a hostile node does with a call: it may answer, or not, or go on for ever. */
export type Behaviour = (call: HostileCall) => void;

export type HostileCall = {
  readonly method: string;
  readonly response: ServerResponse;
  readonly identity: TestIdentity;
  /** The honest lease for the ticket that was presented, to be made into a lie. */
  lease(lies?: Partial<Lease>): Lease;
};

export type HostileNode = AsyncDisposable & { behaviour: Behaviour };

/** A server with a node's own key at a node's own address that does whatever a test likes. */
export async function hostileNode(
  identity: TestIdentity,
  { ip, port }: { readonly ip: string; readonly port: number },
): Promise<HostileNode> {
  const hostile: HostileNode = {
    behaviour: refuse(601, "BACKEND_FAILED: not today"),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  const server = createServer(serverTlsOptions(identity.tls), async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method, params } = decodeCall(Buffer.concat(chunks));
    const [struct] = params as [Struct | undefined];
    hostile.behaviour({
      ...{ method, response, identity },
      lease: (lies = {}) => ({ ...honestLease(String(struct?.ticketdata), identity), ...lies }),
    });
  });
  server.listen(port, ip);
  await once(server, "listening");
  return hostile;
}

function honestLease(ticketdata: string, identity: TestIdentity): Lease {
  const { id, body } = parseDocument(ticketdata);
  const ticket = readTicket({ id, body }) as SliceTicket;
  const { node, principal, principleSha1, ip, slice, term, renewableUntil, resources, ceilings, ports } =
    ticket;
  return {
    serial: "0".repeat(32),
    ticket: id,
    ...{ node, principal, principleSha1, ip, slice, term, renewableUntil, resources, ceilings, ports },
    engine: "simulated",
    image: "debian-12",
    sliver: "0".repeat(16),
    ssh: { host: ip, port: 22, user: slice, hostKey: `ssh-ed25519 ${identity.name}` },
  };
}

export function refuse(code: number, message: string): Behaviour {
  return ({ response }) => response.end(encodeFault({ code, message }));
}

/** Answers with a lease that the node signed and that says something it may not. */
export function lie(lies: (honest: Lease) => Partial<Lease>): Behaviour {
  return ({ response, lease, identity }) => {
    const honest = lease();
    response.end(encodeResponse(sealLease({ ...honest, ...lies(honest) }, identity.signingKey)));
  };
}

export function answer(value: unknown): Behaviour {
  return ({ response }) => response.end(encodeResponse(value));
}

/** Answers with up to a gigabyte of nothing, as fast as it is taken. `sent` is told how many MiB that were. */
export function flood(sent: (mebibytes: number) => void = () => {}): Behaviour {
  return ({ response }) => {
    const mebibyte = Buffer.alloc(1024 ** 2, " ");
    let count = 0;
    const more = () => {
      while (count < 1024 && !response.destroyed && response.write(mebibyte)) count += 1;
      sent(count);
    };
    response.on("drain", more).on("error", () => {});
    more();
  };
}
