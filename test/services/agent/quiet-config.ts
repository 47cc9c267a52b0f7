import { join } from "node:path";
import type { AgentConfig } from "#services/agent/config.ts";
import { type TestIdentity, writeIdentity } from "../../support/authority.ts";

/** The configuration of an agent with its files in `directory`, which does nothing by itself for an hour. */
export async function quietConfig(
  directory: string,
  { tls }: TestIdentity,
  database: string,
): Promise<AgentConfig> {
  const { key, cert: certificate, ca: authority } = await writeIdentity(directory, "agent", tls);
  return {
    database,
    identity: { key, certificate, authority },
    ticket_key: join(directory, "ticket.key"),
    listen: { address: "127.0.0.1", tls_port: 0, web_port: 0 },
    max_lease_seconds: 28 * 86_400,
    overbooking: 1000,
    default_resources: { cpu_millis: 100, memory_mib: 128, disk_mib: 512, egress_kbps: 1000 },
    scan_seconds: 3600,
    revocation_seconds: 3600,
    monitors: [],
    poll_seconds: 30,
    agents: [],
    gather_seconds: 3600,
    enrolment: { strangers: 100, request_days: 14 },
  };
}
