import { isIP } from "node:net";
import { hostname } from "node:os";
import { z } from "zod";
import { CAPABILITIES, type Capability } from "#shared/model/capability.ts";
import type { PortRange } from "#shared/model/ports.ts";
import type { Share } from "#shared/model/resources.ts";
import { ENGINES, type EngineName } from "#shared/model/ticket.ts";
import { type ConfigSource, loadConfig } from "#shared/runtime/config.ts";
import {
  administrators,
  listeningPort as anyPort,
  identityFiles,
  peerAddress,
  webNames,
} from "#shared/runtime/service-options.ts";
import { writtenTarget } from "#shared/wire/ganglia/target.ts";
import { IMAGE_LIMITS, type ImageLimits } from "./backends/images/image-limits.ts";
import { isImageSource } from "./backends/images/image-source.ts";
import type { ImageWish } from "./backends/images/images.ts";
import { REVOKED_LEASES } from "./revocation/ending.ts";
import { OVERDUE_REVOCATIONS } from "./revocation/revocations.ts";
import type { MonitorFeed } from "./usage/feeds.ts";

const amount = z.int().min(0).max(999_999_999_999);
const port = z.int().min(1).max(65_535);
const address = z.string().refine((text) => isIP(text) !== 0, "must be an IP address");
const portRange = z
  .strictObject({
    protocol: z.enum(["tcp", "udp"]).describe("tcp or udp"),
    from: port.describe("the first port"),
    to: port.describe("the last one"),
  })
  .refine(({ from, to }) => from <= to, "must not end before it begins");
const share = z.strictObject({
  cpu_millis: amount.describe("thousandths of a processor core"),
  memory_mib: amount.describe("memory, in MiB"),
  disk_mib: amount.describe("disk, in MiB"),
  egress_kbps: amount.describe("what is sent, in kbit/s"),
  slivers: amount.describe("how many slivers"),
});

const image = z.strictObject({
  name: z.string(),
  source: z
    .string()
    .refine(
      isImageSource,
      "must be an absolute path, an OCI image as skopeo writes it, or the name of a recipe",
    ),
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, "must be sha256: and 64 hex digits")
    .optional(),
});
const nameOf = (wish: ImageWish) => (typeof wish === "string" ? wish : wish.name);

/** What a node manager can be told. */
export const nodeManagerConfig = z.strictObject({
  ip: address.describe("the node's address, as tickets, leases and agents have it"),
  host: address.optional().describe("the address it listens on; the node's own unless told otherwise"),
  state: z.string().min(1).describe("the directory of its store, its ssh host key and its slivers' disks"),
  identity: identityFiles,
  ports: z
    .strictObject({
      tls: anyPort.default(8001).describe("for calls; 0 takes any free port"),
      plain: anyPort
        .optional()
        .describe("for v0.5's probing calls without TLS; without it there is no such port"),
      web: anyPort.default(8002).describe("for the pages, for anybody"),
      web_tls: anyPort
        .optional()
        .describe(
          "for the pages with what is one's own, by one's certificate; without it there is no such port",
        ),
      ssh: anyPort.default(8022).describe("for entering slivers"),
      slicestat: anyPort.default(3100).describe("for Slicestat: what each slice uses, for anybody"),
    })
    .prefault({}),
  web_names: webNames,
  administrators,
  engines: z.array(z.enum(ENGINES)).min(1).describe("what slivers are made with, the usual one first"),
  images: z
    .array(z.union([z.string(), image]))
    .min(1)
    .refine((images) => new Set(images.map(nameOf)).size === images.length, "must not name one image twice")
    .optional()
    .describe("reference images to offer, the usual one first: names, or tables with name and source"),
  image_limit_mib: z.int().min(1).max(1_048_576).optional().describe("the most an image may hold, unpacked"),
  images_directory: z.string().optional().describe("where the machine keeps its reference images"),
  docker_socket: z
    .string()
    .startsWith("/", "must be an absolute path")
    .optional()
    .describe("the Docker daemon's socket, for the engine docker"),
  capacity: share.describe("what the node gives away altogether"),
  monitor: z
    .strictObject({
      name: z
        .string()
        .regex(/^[\w.-]{1,64}$/, "must be of letters, digits, dots and dashes, at most 64")
        .default(() => hostname())
        .describe("what its resource monitor calls the node; absent: the machine's host name"),
      announce_to: z
        .array(writtenTarget)
        .max(64)
        .default([])
        .describe("HOST:PORT of monitors that are told that the node manager lives, and what slices use"),
      slices_to: z
        .array(writtenTarget)
        .max(64)
        .optional()
        .describe("those that are told what slices use, if not all of them"),
      every_seconds: z.int().min(1).max(30).default(20).describe("how often they are told"),
    })
    .prefault({}),
  revoked_leases: z
    .enum(REVOKED_LEASES)
    .default("end")
    .describe("what becomes of leases that are revoked: end, or suspend, stopped and kept until they end"),
  overdue_revocations: z
    .enum(OVERDUE_REVOCATIONS)
    .default("warn")
    .describe(
      "while the next list of revocations of an authority or agent is overdue: warn, or refuse to lease and renew",
    ),
  revocation_seconds: z
    .int()
    .min(1)
    .max(3600)
    .default(30)
    .describe("how often agents are asked for what is revoked, in case they could not tell"),
  agents: z
    .array(
      peerAddress.extend({
        share: share.optional().describe("of how much of the capacity; absent: of an equal part"),
        administrative: z
          .array(z.enum(CAPABILITIES))
          .min(1)
          .optional()
          .describe("capabilities of administrative slices it may hand out; without them, no such slices"),
      }),
    )
    .default([])
    .describe(
      "who may hand out tickets for this node, and of how much: an equal part each unless told otherwise",
    ),
  leasable_ports: z
    .array(portRange)
    .default([
      { protocol: "tcp", from: 1024, to: 65_535 },
      { protocol: "udp", from: 1024, to: 65_535 },
    ])
    .describe("ports of its address that slices may have"),
  reserved_ports: z.array(portRange).default([]).describe("ports among them that they may not have"),
});

/** An agent that may hand out tickets for this node. */
export type AgentConfig = {
  readonly identity: string;
  readonly url: string;
  readonly share: Share;
  /** The capabilities of administrative slices that it may hand out. Absent: none, and no such slices. */
  readonly administrative?: readonly Capability[];
};

/** What one node manager is: a frozen value. Ports of 0 mean any free one. */
export type NodeManagerConfig = {
  readonly ip: string;
  readonly host: string;
  readonly state: string;
  readonly identity: { readonly key: string; readonly cert: string; readonly ca: string };
  readonly ports: {
    readonly tls: number;
    readonly plain?: number;
    readonly web: number;
    readonly web_tls?: number;
    readonly ssh: number;
    /** Absent: there is no such feed. */
    readonly slicestat?: number;
  };
  /** Names its page is asked for by, besides addresses. */
  readonly webNames?: readonly string[];
  /** Keys of those who see on its pages what is everybody's. */
  readonly administrators?: readonly string[];
  readonly engines: readonly [EngineName, ...EngineName[]];
  readonly images?: readonly [ImageWish, ...ImageWish[]];
  readonly imageLimits?: ImageLimits;
  readonly imagesDirectory?: string;
  readonly dockerSocket?: string;
  readonly capacity: Share;
  /** Whom it tells of itself; absent: nobody. */
  readonly monitor?: MonitorFeed;
  readonly agents: readonly AgentConfig[];
  /** Absent: they end. */
  readonly revokedLeases?: (typeof REVOKED_LEASES)[number];
  /** Absent: it is only told. */
  readonly overdueRevocations?: (typeof OVERDUE_REVOCATIONS)[number];
  /** How often agents are asked for what is revoked; absent: every 30. */
  readonly revocationSeconds?: number;
  readonly leasablePorts: readonly PortRange[];
  readonly reservedPorts: readonly PortRange[];
};

/** Reads a node manager's configuration; variables begin with SLICELAB_NODE_MANAGER. Throws ConfigError. */
export function loadNodeManagerConfig(source: Omit<ConfigSource, "prefix">): NodeManagerConfig {
  const read = loadConfig(nodeManagerConfig, { ...source, prefix: "SLICELAB_NODE_MANAGER" });
  const capacity = shareFrom(read.capacity);
  return Object.freeze({
    ip: read.ip,
    host: read.host ?? read.ip,
    state: read.state,
    identity: { key: read.identity.key, cert: read.identity.certificate, ca: read.identity.authority },
    ports: read.ports,
    webNames: read.web_names,
    administrators: read.administrators,
    engines: read.engines as [EngineName, ...EngineName[]],
    images: read.images as [ImageWish, ...ImageWish[]] | undefined,
    imageLimits: limitsFrom(read.image_limit_mib),
    imagesDirectory: read.images_directory,
    dockerSocket: read.docker_socket,
    capacity,
    monitor: feedFrom(read.ip, read.monitor),
    agents: read.agents.map(({ identity, url, share: own, administrative }) => ({
      identity,
      url,
      ...(administrative && { administrative: [...new Set(administrative)] }),
      share: own ? shareFrom(own) : partOf(capacity, read.agents.length),
    })),
    revokedLeases: read.revoked_leases,
    overdueRevocations: read.overdue_revocations,
    revocationSeconds: read.revocation_seconds,
    leasablePorts: read.leasable_ports,
    reservedPorts: read.reserved_ports,
  });
}

function limitsFrom(mib: number | undefined): ImageLimits | undefined {
  return mib === undefined ? undefined : { ...IMAGE_LIMITS, bytes: mib * 1024 ** 2 };
}

function feedFrom(ip: string, read: z.output<typeof nodeManagerConfig>["monitor"]): MonitorFeed | undefined {
  const { name, announce_to: announceTo, slices_to: slicesTo = announceTo, every_seconds } = read;
  if (announceTo.length + slicesTo.length === 0) return undefined;
  return { of: { ip, name }, announceTo, slicesTo, everySeconds: every_seconds };
}

function shareFrom(read: z.output<typeof share>): Share {
  return {
    cpuMillis: read.cpu_millis,
    memoryMib: read.memory_mib,
    diskMib: read.disk_mib,
    egressKbps: read.egress_kbps,
    slivers: read.slivers,
  };
}

/** So that agents together never hold more than there is, unless the owner says so. */
function partOf(capacity: Share, parts: number): Share {
  const part = (whole: number) => Math.floor(whole / parts);
  return {
    cpuMillis: part(capacity.cpuMillis),
    memoryMib: part(capacity.memoryMib),
    diskMib: part(capacity.diskMib),
    egressKbps: part(capacity.egressKbps),
    slivers: part(capacity.slivers),
  };
}
