import type { Identity } from "#shared/identity/identity.ts";
import type { PublicKey } from "#shared/identity/key.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { Trust } from "#shared/identity/trust.ts";
import { Fault } from "#shared/model/errors.ts";
import { isOverdue, overdueConcern } from "#shared/model/revocation.ts";
import type { Instant } from "#shared/model/time.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { claimedList, openRevocations } from "#shared/wire/revocation-document.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { Report } from "./finding.ts";

const TIMEOUT_MS = 5_000;

type Agent = { readonly url: string; readonly identity?: string };

/** Asks agents, as `identity` would, for the authorities' lists of revoked keys, and looks whether later ones are missing. */
export async function checkRevocations(
  report: Report,
  identity: Identity,
  agents: readonly Agent[],
  now: Instant,
): Promise<void> {
  using connections = new Connections(clientTlsOptions(identity.tls));
  const lists = await Promise.all(agents.map((agent) => listsOf(agent, connections)));
  reportOverdue(report, [...new Set(lists.flat())], new Trust(identity.tls.ca).keys, now);
}

/** Agents that do not answer are told of by who looks for that. */
async function listsOf({ url, identity }: Agent, connections: Connections): Promise<readonly string[]> {
  const options = { url, connections, expectedPeer: identity, timeoutMs: TIMEOUT_MS };
  try {
    return await xmlRpcClient(agentApi, options).getrevocations({});
  } catch (error) {
    if (!isCallFailure(error)) throw error;
    return [];
  }
}

/** Of these lists, those of the authorities. */
export function reportOverdue(
  report: Report,
  documents: readonly string[],
  authorities: readonly PublicKey[],
  now: Instant,
): void {
  for (const document of documents) {
    try {
      reportList(report, document, authorities, now);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const what = `an agent gives a list of revocations that is refused: ${error.sentence}`;
      report.warning("revocations", what, "tell whoever runs the agent");
    }
  }
}

function reportList(report: Report, document: string, authorities: readonly PublicKey[], now: Instant): void {
  const authority = authorities.find(({ name }) => name === claimedList(document).signer);
  if (!authority) return;
  const { list } = openRevocations(document, authority, "authority");
  if (isOverdue(list, now))
    report.warning(
      "revocations",
      overdueConcern({ signer: "authority", list }),
      "docs/guides/revocation.md says more: When a list is overdue",
    );
  else report.well("revocations", `list number ${list.number} names ${list.revoked.length} keys`);
}
