import { type Matching, match } from "#services/broker/matching/matching.ts";
import type { Advertisement, Specification } from "#services/broker/matching/specification.ts";
import type { SliceDescription } from "#shared/model/slice-description.ts";
import { NOW } from "#test/support/documents.ts";
import { DEMAND } from "../advertisements.ts";

export function matched(
  ads: readonly Advertisement[],
  need: SliceDescription,
  matching: Partial<Matching> = {},
): Specification {
  return match(need, ads, NOW, { demand: DEMAND, ...matching });
}
