import { chainVectors } from "./cases/chains.ts";
import { descriptionVectors } from "./cases/descriptions.ts";
import { headerVectors } from "./cases/headers.ts";
import { leaseVectors } from "./cases/leases.ts";
import { narrowingVectors } from "./cases/narrowing.ts";
import { requestVectors } from "./cases/requests.ts";
import { signatureVectors } from "./cases/signatures.ts";
import { ticketValueVectors } from "./cases/ticket-values.ts";
import { ticketXmlVectors } from "./cases/ticket-xml.ts";
import { validTickets } from "./cases/tickets.ts";
import { filesOf, KINDS, type Vector, type VectorKind, writeFiles } from "./vector.ts";

/** Every vector there is, built anew: deterministic, so that the committed files can be compared with it. */
function allVectors(): Record<VectorKind, readonly Vector[]> {
  return {
    headers: [...headerVectors(), ...signatureVectors()],
    tickets: [...validTickets(), ...ticketXmlVectors(), ...ticketValueVectors()],
    leases: leaseVectors(),
    chains: [...chainVectors(), ...narrowingVectors()],
    requests: requestVectors(),
    descriptions: descriptionVectors(),
  };
}

/** Every file they stand in: path below `test/vectors` → content. */
export function allFiles(): Map<string, string> {
  const vectors = allVectors();
  return new Map(KINDS.flatMap((kind) => [...filesOf(kind, vectors[kind])]));
}

if (import.meta.main) writeFiles(allFiles());
