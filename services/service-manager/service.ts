import { type Clock, realTime } from "#shared/runtime/clock.ts";
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
  const beside = new Set<Promise<void>>();
  const terms = {
    clock: terminal.clock,
    beside(work: Promise<void>) {
      beside.add(work);
      void work.then(() => beside.delete(work));
    },
  };
  const tools = {
    terminal,
    home,
    openNetwork: (effort: Effort) => openNetwork(home, effort, terms),
    finish: (code: number) => {
      ending = code;
    },
  };
  // One id for all that a command asks for: a node's failure names it, and every service that took part has logged it.
  await withRequestId(newRequestId(), () => runSlice(argv, tools));
  await Promise.all(beside);
  return ending;
}

export type NetworkTerms = {
  readonly clock: Clock;
  /** Told of what is done beside a command, which ends by itself within a moment: the process waits for that. */
  readonly beside: (work: Promise<void>) => void;
};

/** Everybody the configuration of a home lets us talk to. Loaded only by commands that talk to somebody. */
export async function openNetwork(
  home: string,
  effort: Effort,
  { clock, beside }: NetworkTerms,
): Promise<Network> {
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
  const tls = clientTlsOptions(identity.tls);
  const connections: Connections = new Made(tls);
  const [
    { networkOf },
    { certificateFacts, parseCertificate },
    { renewQuietly },
    { KeptRevocations },
    { askQuietly },
    { Trust },
  ] = await Promise.all([
    import("./network/network.ts"),
    import("#shared/identity/certificate.ts"),
    import("./network/own-certificate.ts"),
    import("./network/kept-revocations.ts"),
    import("./network/revocation-asking.ts"),
    import("#shared/identity/trust.ts"),
  ]);
  const kept = await KeptRevocations.open(home, new Trust(identity.tls.ca).keys);
  connections.heed(kept.isRevoked);
  const { signal, notice } = effort;
  beside(askQuietly(kept, { agents, tls, now: clock.now(), signal, notice }));
  void renewQuietly({ identity, files, agents, connections }, realTime());
  const { name: principal, signingKey } = identity;
  const { validity: certified } = certificateFacts(parseCertificate(identity.tls.cert));
  return networkOf({
    ...{ principal, certified, agents, connections, effort },
    ...(broker && { broker: { ...broker, signingKey } }),
  });
}
