/**
 * The Linux capabilities an administrative slice may be granted (paper §4.3), beyond what every sliver has. A closed
 * list: what is not here can never be asked for.
 */
export const CAPABILITIES = [
  "CAP_NET_RAW",
  "CAP_NET_ADMIN",
  "CAP_SYS_PTRACE",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_ADMIN",
  "CAP_SYS_TIME",
  "CAP_DAC_READ_SEARCH",
  "CAP_AUDIT_READ",
  "CAP_SYSLOG",
  "CAP_BPF",
  "CAP_PERFMON",
] as const;

export type Capability = (typeof CAPABILITIES)[number];

export function isCapability(name: string): name is Capability {
  return (CAPABILITIES as readonly string[]).includes(name);
}
