import { realTime } from "#shared/runtime/clock.ts";
import { newRequestId, withRequestId } from "#shared/runtime/request-context.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { homeDirectory } from "./home.ts";
import type { Effort } from "./network/fan-out.ts";
import type { Network } from "./network/network.ts";
import { runSlice } from "./program.ts";
import type { Terminal } from "./terminal/terminal.ts";

/** Runs one `slice` command line and returns what the process ends with. */
export async function runServiceManager(argv: readonly string[], terminal: Terminal): Promise<number> {
  const home = homeDirectory(terminal.env);
  let ending = 0;
  const tools = {
    terminal,
    home,
    openNetwork: (effort: Effort) => openNetwork(home, effort),
    finish: (code: number) => {
      ending = code;
    },
  };
  // One id for all that a command asks for: a node's failure names it, and every service that took part has logged it.
  await withRequestId(newRequestId(), () => runSlice(argv, tools));
  return ending;
}

/** Everybody the configuration of a home lets us talk to. Loaded only by commands that talk to somebody. */
export async function openNetwork(home: string, effort: Effort): Promise<Network> {
  const [{ loadServiceManagerConfig }, { loadIdentity }, { clientTlsOptions }, { Connections: Made }] =
    await Promise.all([
      import("./config.ts"),
      import("#shared/identity/identity.ts"),
      import("#shared/identity/tls.ts"),
      import("#shared/wire/xmlrpc/connections.ts"),
    ]);
  const { key, certificate: cert, authority: ca, agents, broker } = loadServiceManagerConfig(home);
  const files = { key, cert, ca };
  const identity = await loadIdentity(files);
  const connections: Connections = new Made(clientTlsOptions(identity.tls));
  const [{ networkOf }, { certificateFacts, parseCertificate }, { renewQuietly }] = await Promise.all([
    import("./network/network.ts"),
    import("#shared/identity/certificate.ts"),
    import("./network/own-certificate.ts"),
  ]);
  void renewQuietly({ identity, files, agents, connections }, realTime());
  const { name: principal, signingKey } = identity;
  const { validity: certified } = certificateFacts(parseCertificate(identity.tls.cert));
  return networkOf({
    ...{ principal, certified, agents, connections, effort },
    ...(broker && { broker: { ...broker, signingKey } }),
  });
}
