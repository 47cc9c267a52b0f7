import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import type { TlsCredentials } from "#shared/identity/identity.ts";
import { type PeerChecks, peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { Fault } from "#shared/model/errors.ts";

/** What the server says of a request's peer: who it is, or the code of the fault it is refused with. */
export type Seen = {
  readonly name?: string;
  readonly sha1?: string;
  readonly algorithm?: string;
  readonly fault?: number;
  readonly message?: string;
  /** Whether TLS resumed an earlier session, and which of the client's ports the connection came from. */
  readonly resumed: boolean;
  readonly port: number;
};

export type PeerServer = AsyncDisposable & { readonly port: number };

/** An HTTPS server on 127.0.0.1 that answers every request with what `peerOf` makes of its peer. */
export async function startPeerServer(tls: TlsCredentials, checks: () => PeerChecks): Promise<PeerServer> {
  const server = createServer(serverTlsOptions(tls), (request, response) => {
    const socket = request.socket as TLSSocket;
    const connection = { resumed: socket.isSessionReused(), port: socket.remotePort };
    response.end(JSON.stringify({ ...peerOrFault(socket, checks()), ...connection }));
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
}

function peerOrFault(socket: TLSSocket, checks: PeerChecks): object {
  try {
    const { name, sha1, key } = peerOf(socket, checks);
    return { name, sha1, algorithm: key.algorithm };
  } catch (error) {
    if (error instanceof Fault) return { fault: error.code, message: error.message };
    throw error;
  }
}
