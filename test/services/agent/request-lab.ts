import { plainDescription, type SliceDescription } from "#shared/model/slice-description.ts";
import { describedRequest, type RequestTerms, sealRequest } from "#shared/wire/request-document.ts";
import type { TestIdentity } from "../../support/authority.ts";
import { HOUR, NOW } from "../../support/documents.ts";
import { type AgentClient, type AgentLab, agentLab, type LabOptions } from "./agent-lab.ts";

/** An agent, and two brokers it knows nothing of but their certificates. */
export type RequestLab = AgentLab & {
  readonly broker: TestIdentity & { readonly client: AgentClient };
  readonly rival: TestIdentity & { readonly client: AgentClient };
  /** A request that alice (or `as`) signs for the broker and this agent, ending in an hour. */
  request(terms?: Partial<RequestTerms>, described?: Partial<SliceDescription>, as?: TestIdentity): string;
};

const COUNT: SliceDescription["nodes"] = { count: 3, atleast: 2, standby: 1 };
let serials = 0;

export async function requestLab(options: LabOptions = {}): Promise<RequestLab> {
  const lab = await agentLab({ nodes: 6, ...options });
  const [broker, rival] = await Promise.all([lab.authority.server("broker"), lab.authority.server("rival")]);
  return Object.assign(lab, {
    broker: { ...broker, client: lab.client(broker) },
    rival: { ...rival, client: lab.client(rival) },
    request: (
      terms: Partial<RequestTerms> = {},
      described: Partial<SliceDescription> = {},
      as?: TestIdentity,
    ) => requestOf(lab, broker.name, terms, described, as),
  });
}

export function requestOf(
  lab: AgentLab,
  broker: string,
  terms: Partial<RequestTerms>,
  described: Partial<SliceDescription>,
  as: TestIdentity = lab.alice,
): string {
  serials += 1;
  const request = describedRequest(
    {
      principal: as.name,
      serial: serials.toString(16).padStart(32, "0"),
      broker,
      agents: [lab.agent.announce.agent],
      validTo: NOW + HOUR,
      ...terms,
    },
    { ...plainDescription("oceanstore", 3), nodes: COUNT, ...described },
  );
  return sealRequest(request, as.signingKey);
}

/** So many calls at once, and how they ended: tickets that were issued in all, and the faults of the others. */
export async function outcomes(calls: readonly Promise<readonly string[]>[]) {
  const settled = await Promise.allSettled(calls);
  const issued = settled.flatMap((call) => (call.status === "fulfilled" ? call.value : []));
  const faults = settled.flatMap((call) => (call.status === "rejected" ? [String(call.reason.name)] : []));
  return { issued, faults: [...new Set(faults)] };
}
