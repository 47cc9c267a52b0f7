import { formatInstant } from "#shared/model/time.ts";
import type { GrantedPrivilege } from "../store/registry/registry.ts";
import type { Limits } from "./limits.ts";

/** How the nouns of administration stand in the structs of its contract. */

type LimitsStruct = {
  slices?: number;
  nodes?: number;
  lease_seconds?: number;
  slivers?: number;
  cpu_millis?: number;
  memory_mib?: number;
  disk_mib?: number;
  egress_kbps?: number;
};

export function limitsOf(struct: LimitsStruct): Limits {
  return {
    slices: struct.slices,
    nodes: struct.nodes,
    leaseSeconds: struct.lease_seconds,
    slivers: struct.slivers,
    cpuMillis: struct.cpu_millis,
    memoryMib: struct.memory_mib,
    diskMib: struct.disk_mib,
    egressKbps: struct.egress_kbps,
  };
}

export function limitsStruct(limits: Limits): LimitsStruct {
  return {
    slices: limits.slices,
    nodes: limits.nodes,
    lease_seconds: limits.leaseSeconds,
    slivers: limits.slivers,
    cpu_millis: limits.cpuMillis,
    memory_mib: limits.memoryMib,
    disk_mib: limits.diskMib,
    egress_kbps: limits.egressKbps,
  };
}

export function privilegeStruct(privilege: GrantedPrivilege) {
  const { id, label, validTo } = privilege;
  return {
    ...{ id, principal: label, type: privilege.sliceType, nodes: privilege.maxNodes },
    lease_seconds: privilege.maxLeaseSeconds,
    renewable_seconds: privilege.maxRenewableSeconds,
    capabilities: privilege.capabilities,
    validto_time: Number.isFinite(validTo) ? formatInstant(validTo) : null,
  };
}
