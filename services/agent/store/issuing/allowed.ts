import type { Instant } from "#shared/model/time.ts";
import type { Allowed } from "../../issuing/offer.ts";
import { portsIn } from "../columns/port-set.ts";

/**
 * What the holdings on node `n` that are valid now allow of an order, each by itself, where no holding `best` will do.
 * Part of the statements in offers.ts, with their parameters.
 */
export const ALLOWED = `
  select max(h.term_end) as allowed_until,
    bool_or(h.slice_prefix is null or $6 = h.slice_prefix or starts_with($6, h.slice_prefix || '_')) as allowed_prefix,
    bool_or(h.engine is null or $7::text is null or h.engine = $7) as allowed_engine,
    bool_or(h.image is null or $8::text is null or h.image = $8) as allowed_image,
    bool_or(h.tcp_ports @> $9 and h.udp_ports @> $10) as allowed_ports,
    ($9 - range_agg(h.tcp_ports))::text as lacking_tcp, ($10 - range_agg(h.udp_ports))::text as lacking_udp,
    bool_or(h.capabilities @> $11::text[]) as allowed_capabilities,
    case when best.id is null and cardinality($11::text[]) > 0 then array(
        select unnest($11::text[]) except select unnest(o.capabilities) from holdings o
        where o.node = n.node and o.valid_from <= to_timestamp($1) and to_timestamp($1) < o.valid_to)
      else '{}' end as lacking_capabilities,
    bool_or(h.ceiling_cpu_millis is null or $12::bigint is null or $12 <= h.ceiling_cpu_millis) as allowed_cpu,
    bool_or(h.ceiling_egress_kbps is null or $13::bigint is null or $13 <= h.ceiling_egress_kbps) as allowed_egress
  from holdings h
  where best.id is null and h.node = n.node
    and h.valid_from <= to_timestamp($1) and to_timestamp($1) < h.valid_to
    and h.term_start <= to_timestamp($2) and to_timestamp($2) < h.term_end`;

/** Null, all of it, where there is a holding that will do, or none at all. */
export type AllowedRow = {
  allowed_until: Instant | null;
  allowed_prefix: boolean;
  allowed_engine: boolean;
  allowed_image: boolean;
  allowed_ports: boolean;
  lacking_tcp: string;
  lacking_udp: string;
  allowed_capabilities: boolean;
  lacking_capabilities: string[];
  allowed_cpu: boolean;
  allowed_egress: boolean;
};

/** What a row of the statement above says; nothing where no holding allows the order. */
export function allowedOf(row: AllowedRow): Allowed | undefined {
  if (row.allowed_until === null) return undefined;
  return {
    until: row.allowed_until,
    prefix: row.allowed_prefix,
    engine: row.allowed_engine,
    image: row.allowed_image,
    ports: row.allowed_ports,
    portsLacking: portsIn(row.lacking_tcp, row.lacking_udp),
    capabilities: row.allowed_capabilities,
    capabilitiesLacking: row.lacking_capabilities,
    cpuCeiling: row.allowed_cpu,
    egressCeiling: row.allowed_egress,
  };
}
