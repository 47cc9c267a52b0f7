import type { SigningKey } from "#shared/identity/signature.ts";
import { plainDescription } from "#shared/model/slice-description.ts";
import { describedRequest, type RequestTerms, type SliceRequest } from "#shared/wire/request-document.ts";
import { HOUR, KEYS, NOW, serial } from "./documents.ts";

/** Identity keys of services that requests in tests name: nobody holds them. */
export const BROKER = "b".repeat(64);
export const AGENT = "a".repeat(64);

/** A request of alice (or `as`) for five nodes, at least three, with one standby. */
export function requestOf(terms: Partial<RequestTerms> = {}, as: SigningKey = KEYS.alice): SliceRequest {
  const description = {
    ...plainDescription("princeton_dns", 5),
    nodes: { count: 5, atleast: 3, standby: 1 },
  };
  return describedRequest(
    {
      principal: as.public.name,
      serial: serial(7),
      broker: BROKER,
      agents: [AGENT],
      validTo: NOW + HOUR,
      ...terms,
    },
    description,
  );
}
