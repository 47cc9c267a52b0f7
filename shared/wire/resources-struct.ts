import type { Resources } from "../model/resources.ts";

/** Resources as they stand in structs, in configurations and in what programs print. */
export type ResourcesStruct = {
  readonly cpu_millis: number;
  readonly memory_mib: number;
  readonly disk_mib: number;
  readonly egress_kbps: number;
};

export function resourcesOf(struct: ResourcesStruct): Resources {
  return {
    cpuMillis: struct.cpu_millis,
    memoryMib: struct.memory_mib,
    diskMib: struct.disk_mib,
    egressKbps: struct.egress_kbps,
  };
}

export function resourcesStruct(resources: Resources): ResourcesStruct {
  return {
    cpu_millis: resources.cpuMillis,
    memory_mib: resources.memoryMib,
    disk_mib: resources.diskMib,
    egress_kbps: resources.egressKbps,
  };
}
