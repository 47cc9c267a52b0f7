import type { TicketKeys } from "#services/agent/signing/ticket-keys.ts";
import { generateSigningKey } from "#shared/identity/key-file.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import type { Share } from "#shared/model/resources.ts";
import type { Holding } from "#shared/model/ticket.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import { DAY, rootTicket, type Sealed, seal, serial } from "../../support/documents.ts";
import { FACTS } from "./facts.ts";

/** A node of which there is nothing but its key, its address and the root it gave. */
export type FleetNode = { readonly key: SigningKey; readonly ip: string; readonly root: Sealed<Holding> };

/** Many nodes at once, as if each had been accepted and had deposited a root: straight into the agent's books. */
export async function enrolFleet(
  database: Database,
  keys: TicketKeys,
  clock: Clock,
  { nodes, share = {} }: { nodes: number; share?: Partial<Share> },
): Promise<FleetNode[]> {
  const now = clock.now();
  const to = keys.current.public;
  const fleet = await Promise.all(Array.from({ length: nodes }, (_, at) => fleetNode(at, to, now, share)));
  const at = new Date(now * 1000).toISOString();
  const insert = (table: string, columns: string, rows: readonly object[]) =>
    database.run(
      `insert into ${table} (${columns}) select ${columns} from json_populate_recordset(null::${table}, $1)`,
      [JSON.stringify(rows)],
    );
  await insert(
    "principals",
    "name, sha1, public_key, label, role, suspended, added",
    fleet.map(principalRow(at)),
  );
  await insert(
    "nodes",
    "node, role, ip, tags, sslport, sshport, engines, images, simulated, version, heard",
    fleet.map(({ key, ip }) => ({ node: key.public.name, role: "node", ip, tags: [], ...FACTS, heard: at })),
  );
  await insert(
    "accounts",
    "node",
    fleet.map(({ key }) => ({ node: key.public.name })),
  );
  const accounts = await database.rows<{ id: number; node: string }>("select id, node from accounts");
  const accountOf = new Map(accounts.map(({ id, node }) => [node, id]));
  await insert("holdings", HOLDING_COLUMNS, fleet.map(holdingRow(at, accountOf)));
  return fleet;
}

async function fleetNode(
  at: number,
  to: SigningKey["public"],
  now: number,
  share: Partial<Share>,
): Promise<FleetNode> {
  const key = await generateSigningKey({ type: "ed25519" });
  const { name } = key.public;
  const ip = `10.${78 + Math.floor(at / 62_500)}.${Math.floor(at / 250) % 250}.${(at % 250) + 1}`;
  const base = rootTicket();
  const lasting = { start: now - 3600, end: now + 400 * DAY };
  const root = {
    ...base,
    ...{ serial: serial(7), issuer: name, node: name, ip, validity: lasting, term: lasting },
    ...{ principal: to.name, principleSha1: to.sha1, principalKey: to.spki },
    resources: { ...base.resources, ...share },
  };
  return { key, ip, root: seal(root, key) };
}

const principalRow = (added: string) => (node: FleetNode) => ({
  name: node.key.public.name,
  sha1: node.key.public.sha1,
  public_key: `\\x${node.key.public.spki.toString("hex")}`,
  label: node.ip,
  role: "node",
  suspended: false,
  added,
});

const HOLDING_COLUMNS = `id, account, node, principal, issuer, splits, valid_from, valid_to, term_start, term_end,
  cpu_millis, memory_mib, disk_mib, egress_kbps, slivers, tcp_ports, udp_ports, capabilities, lineage, deposited`;

const holdingRow =
  (deposited: string, accountOf: ReadonlyMap<string, number>) =>
  ({ root: { id, ticket, lineage } }: FleetNode) => {
    const iso = (instant: number) => new Date(instant * 1000).toISOString();
    const { cpuMillis, memoryMib, diskMib, egressKbps, slivers } = ticket.resources;
    return {
      ...{ id, account: accountOf.get(ticket.node), node: ticket.node, principal: ticket.principal },
      ...{ issuer: ticket.issuer, splits: ticket.splits },
      ...{ valid_from: iso(ticket.validity.start), valid_to: iso(ticket.validity.end) },
      ...{ term_start: iso(ticket.term.start), term_end: iso(ticket.term.end) },
      ...{
        cpu_millis: cpuMillis,
        memory_mib: memoryMib,
        disk_mib: diskMib,
        egress_kbps: egressKbps,
        slivers,
      },
      ...{ tcp_ports: "{[1024,65536)}", udp_ports: "{[1024,65536)}", capabilities: [] },
      ...{ lineage, deposited },
    };
  };
