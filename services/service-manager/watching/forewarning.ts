import { agentNamed } from "#services/broker/acquisition/ask.ts";
import type { Advertisement } from "#services/broker/matching/specification.ts";
import type { Validity } from "#shared/identity/certificate.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import type { NodeAddress } from "../journal/slice-record.ts";
import type { Happening } from "./happenings.ts";
import type { Notice } from "./notices.ts";

/** Something that will end, or is away, and that a slice needs. */
export type Forewarning = Notice & Pick<Happening, "event" | "node" | "ip">;

const DAY = 86_400;
/** A certificate is said to end so long before, or when a quarter of its time is left if that is less. */
const CERTIFICATE_SECONDS = 14 * DAY;
/** A holding is said to end so long before, or when not even two lengths of a lease fit into it. */
const HOLDING_SECONDS = 7 * DAY;

/** What to say of one's own certificate, once a day while it is to be replaced. */
export function certificateForewarning({ notBefore, notAfter }: Validity, at: Instant): Forewarning[] {
  const end = Math.floor(notAfter.getTime() / 1000);
  const quarter = (end - notBefore.getTime() / 1000) / 4;
  const left = end - at;
  if (left > Math.min(CERTIFICATE_SECONDS, quarter)) return [];
  const days = Math.floor(left / DAY);
  const when = left <= 0 ? "ended" : "ends";
  const within = left <= 0 ? "" : days > 0 ? `, in ${days} ${days === 1 ? "day" : "days"}` : ", within a day";
  const advice = "have your key certified again and put the new certificate in the place of the old one";
  const sentence = `your certificate ${when} at ${formatInstant(end)} UTC${within}; ${advice}`;
  return [{ about: "certificate", event: "certificate", sentence }];
}

/** What an agent advertises. */
export type Advertised = {
  readonly agent: { readonly name: string; readonly url: string };
  readonly ads: readonly Advertisement[];
};

/**
 * What to say of the holdings that tickets for further renewals come from, of those agents that answered: one that ends
 * before long, and nodes that their agent has no holding of any more.
 */
export function holdingForewarnings(
  nodes: readonly NodeAddress[],
  advertised: readonly Advertised[],
  leaseSeconds: number,
  at: Instant,
): Forewarning[] {
  const agents = advertised.map(({ agent, ads }) => ({ ...agent, ads }));
  const horizon = at + Math.max(HOLDING_SECONDS, 2 * leaseSeconds);
  return nodes.flatMap(({ node, ip, agent: name }): Forewarning[] => {
    const agent = agentNamed(agents, name);
    if (!agent) return [];
    const heldUntil = agent.ads.find((ad) => ad.node === node)?.heldUntil;
    const known = agent.ads.some((ad) => ad.node === node);
    if (known && (heldUntil === undefined || heldUntil >= horizon)) return [];
    const sentence = known
      ? `its agent holds it until ${formatInstant(heldUntil!)} UTC only, and no renewal reaches further`
      : "its agent has nothing of it to give any more, so that it is not renewed for long";
    return [{ about: `holding of ${node}`, event: "holding", node, ip, sentence }];
  });
}
