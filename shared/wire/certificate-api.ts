import { z } from "zod";
import type { KeyName } from "../identity/key.ts";
import { xmlRpcClient } from "./xmlrpc/client.ts";
import type { Connections } from "./xmlrpc/connections.ts";
import { contract, method } from "./xmlrpc/contract.ts";
import { isCallFailure } from "./xmlrpc/transport-error.ts";

/** What agents do for whoever has a certificate of the authority: an authority that serves knows them as registrars. */
export const certificateApi = contract({
  renewcertificate: method({
    params: z.object({
      csr: z.string().max(16_384).describe("a certificate request, in PEM, of the caller's own key"),
    }),
    result: z.object({ certificate: z.string().describe("PEM") }),
    help: "Has the authority certify the caller's key again, for as long and under the name and addresses of the certificate the call is made with: once two thirds of that one's life are over, or where the authority is another by now.",
  }),
});

/** An agent, by its address and, where that is known, the name of its key. */
type AgentPlace = { readonly url: string; readonly identity?: KeyName };

/** Longer than an authority takes; shorter than somebody waits for a prompt. */
const TIMEOUT_MS = 5_000;

/** The certificate (PEM) that the first of these agents has renewed. Throws what the last one failed with. */
export async function renewedByAny(
  agents: readonly AgentPlace[],
  connections: Connections,
  csr: string,
): Promise<string> {
  let failure: unknown = new RangeError("no agent is known that could have the certificate renewed");
  for (const { url, identity: expectedPeer } of agents) {
    const agent = xmlRpcClient(certificateApi, { url, connections, expectedPeer, timeoutMs: TIMEOUT_MS });
    try {
      return (await agent.renewcertificate({ csr })).certificate;
    } catch (error) {
      if (!isCallFailure(error)) throw error;
      failure = error;
    }
  }
  throw failure;
}
