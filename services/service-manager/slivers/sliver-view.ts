import type { Lease } from "#shared/model/lease.ts";
import { formatPorts } from "#shared/model/ports.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import type { Column } from "#shared/runtime/listing.ts";
import type { UsageStruct } from "#shared/wire/node-manager-api.ts";
import { resourcesStruct } from "#shared/wire/resources-struct.ts";
import type { NodeAddress, Trouble } from "../journal/slice-record.ts";
import type { SliceState } from "../journal/slice-state.ts";
import { type Listing, shortName } from "../terminal/output.ts";
import { USAGE_COLUMNS } from "./usage-view.ts";

/** One node of a slice, as it is shown. */
export type SliverView = {
  readonly address: Pick<NodeAddress, "node" | "ip" | "site">;
  /** `leased`, `ended`, `ticket` (not redeemed yet), `returning` (a ticket given back), `abandoned`, `failed`; or the sliver's own state. */
  readonly state: string;
  readonly lease?: Lease;
  /** What it uses, as its node says. */
  readonly usage?: UsageStruct;
  /** Names of the keys of everybody who may use its lease, as its node says. */
  readonly members?: readonly string[];
  readonly trouble?: Pick<Trouble, "name" | "sentence">;
};

/** The nodes of a slice as the journal knows them. */
export function sliverViews({ record, leases, tickets }: SliceState, now: Instant): SliverView[] {
  const known = new Set(record.nodes.map(({ node }) => node));
  const strangers = record.troubles.filter(({ node }) => !known.has(node));
  const returning = new Set(record.unwanted.map((id) => tickets.get(id)?.ticket.node));
  const ticketed = new Set([...tickets.values()].map(({ ticket }) => ticket.node));
  const abandoned = new Set((record.abandoned ?? []).map(({ node }) => node));
  const views = record.nodes.map((address): SliverView | undefined => {
    const trouble = record.troubles.find(({ node }) => node === address.node);
    const lease = leases.get(address.node)?.lease;
    if (lease) return { address, state: lease.term.end <= now ? "ended" : "leased", lease, trouble };
    if (returning.has(address.node)) return { address, state: "returning", trouble };
    if (ticketed.has(address.node)) return { address, state: "ticket", trouble };
    if (abandoned.has(address.node)) return { address, state: "abandoned", trouble };
    return trouble && { address, state: "failed", trouble };
  });
  return [
    ...views.filter((view) => view !== undefined),
    ...strangers.map((trouble) => ({
      address: { node: trouble.node, ip: "", site: "" },
      state: "failed",
      trouble,
    })),
  ];
}

const COLUMNS: readonly Column<SliverView>[] = [
  { header: "NODE", value: ({ address }) => shortName(address.node) },
  { header: "IP", value: ({ address }) => address.ip },
  { header: "SITE", value: ({ address }) => address.site },
  { header: "STATE", value: ({ state }) => state },
  { header: "ENGINE", value: ({ lease }) => lease?.engine ?? "" },
  { header: "IMAGE", value: ({ lease }) => lease?.image ?? "", wide: true },
  { header: "PORTS", value: ({ lease }) => (lease?.ports ?? []).map(formatPorts).join(", ") },
  ...USAGE_COLUMNS,
  { header: "ENDS (UTC)", value: ({ lease }) => (lease ? formatInstant(lease.term.end) : "") },
  {
    header: "RENEWABLE UNTIL",
    value: ({ lease }) => (lease ? formatInstant(lease.renewableUntil) : ""),
    wide: true,
  },
  {
    header: "SSH",
    value: ({ lease }) => (lease ? `${lease.ssh.user}@${lease.ssh.host}:${lease.ssh.port}` : ""),
    wide: true,
  },
  {
    header: "MEMBERS",
    value: ({ members = [] }) => members.map(shortName).join(", "),
    wide: true,
  },
  { header: "SLIVER", value: ({ lease }) => lease?.sliver ?? "", wide: true },
  { header: "TROUBLE", value: ({ trouble }) => (trouble ? `${trouble.name}: ${trouble.sentence}` : "") },
];

/** A listing of the nodes of one slice; `more` goes beside them into JSON and YAML. */
export function sliverListing(
  rows: readonly SliverView[],
  more: { readonly slice: string; readonly phase: string },
): Listing<SliverView> {
  const empty = new Set([
    ...(rows.some(({ trouble }) => trouble) ? [] : ["TROUBLE"]),
    ...(rows.some(({ lease }) => lease?.ports.length) ? [] : ["PORTS"]),
    ...(rows.some(({ usage }) => usage) ? [] : USAGE_COLUMNS.map(({ header }) => header)),
  ]);
  return {
    rows,
    columns: COLUMNS.filter(({ header }) => !empty.has(header)),
    name: ({ address }) => address.node,
    member: sliverMember,
    document: { ...more, nodes: rows.map(sliverMember) },
  };
}

function sliverMember({ address, state, lease, usage, members, trouble }: SliverView): object {
  return {
    node: address.node,
    ip: address.ip,
    site: address.site,
    state,
    ...(lease && leaseMembers(lease)),
    ...(usage && { usage }),
    ...(members && { members }),
    ...(trouble && { trouble: { name: trouble.name, sentence: trouble.sentence } }),
  };
}

function leaseMembers({
  serial,
  term,
  renewableUntil,
  resources,
  engine,
  image,
  ports,
  administrative,
  sliver,
  ssh,
}: Lease): object {
  return {
    lease: serial,
    engine,
    image,
    ports: ports.map(({ protocol, from, to }) => ({ protocol, from, to })),
    ...(administrative && { administrative }),
    sliver,
    start_time: formatInstant(term.start),
    end_time: formatInstant(term.end),
    renewable_until_time: formatInstant(renewableUntil),
    resources: resourcesStruct(resources),
    ssh: { host: ssh.host, port: ssh.port, user: ssh.user, host_key: ssh.hostKey },
  };
}
