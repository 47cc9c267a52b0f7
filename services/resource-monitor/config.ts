import { hostname, networkInterfaces } from "node:os";
import { z } from "zod";
import { loadConfig } from "#shared/runtime/config.ts";
import { webNames } from "#shared/runtime/service-options.ts";
import { writtenTarget } from "#shared/wire/ganglia/target.ts";

const port = z.int().min(0).max(65_535);
const text = z.string().max(255);
/** What a resource monitor can be told. Ports of 0 are chosen when it starts. */
export const monitorConfig = z.strictObject({
  node: z
    .strictObject({
      name: z
        .string()
        .regex(/^[\w.-]{1,64}$/, "must be of letters, digits, dots and dashes, at most 64")
        .default(() => hostname())
        .describe("what the node is called; absent: the machine's host name"),
      ip: z
        .union([z.ipv4(), z.ipv6()])
        .default(ownAddress)
        .describe("the address the node is known by; absent: the first that leads out"),
      location: text.default("unspecified").describe("where it stands, in words"),
      proc: z.string().default("/proc").describe("where the kernel tells of the node"),
      disk: z.string().default("/").describe("a path on the file system whose space is told"),
    })
    .prefault({}),
  cluster: z
    .strictObject({
      name: text.default("slicelab").describe("what they are together"),
      owner: text.default("unspecified").describe("whose they are"),
      latlong: text.default("unspecified").describe("where they are: N61.18 W130.50"),
      url: text.default("unspecified").describe("where more can be read"),
    })
    .prefault({})
    .describe("what the dump says of all its hosts"),
  listen: z
    .strictObject({
      address: z.string().default("127.0.0.1").describe("the address everything is served at"),
      udp_port: port.default(8649).describe("where Ganglia's packets are taken"),
      xml_port: port.default(8649).describe("the TCP port where the dump is"),
      web_port: port.default(8648).describe("where its page and /metrics are"),
      web_names: webNames,
      join: z.ipv4().optional().describe("a multicast group whose packets are taken, too, as gmond's are"),
      from: z
        .array(z.string())
        .default([])
        .describe("addresses and networks whose packets are taken; none: everybody's"),
    })
    .prefault({}),
  announce: z
    .strictObject({
      to: z
        .array(writtenTarget)
        .max(64)
        .default([])
        .describe("HOST:PORT of monitors that are told of this node"),
      every_seconds: z.int().positive().max(3600).default(15).describe("how often the node is looked at"),
      metadata_seconds: z.int().positive().default(60).describe("how often metrics are explained again"),
    })
    .prefault({}),
  limits: z
    .strictObject({
      hosts: z.int().positive().default(10_000).describe("how many hosts are kept"),
      metrics_of_host: z.int().positive().default(2500).describe("and how many metrics of each"),
      table_mib: z.int().positive().default(256).describe("and how much of all, about"),
      forget_seconds: z.int().min(60).default(3600).describe("after which silence a host is forgotten"),
      packets_per_second: z.int().positive().default(20_000).describe("how many packets are looked at"),
      packets_of_sender: z.int().positive().default(2000).describe("and how many of one sender"),
      readers: z.int().positive().default(64).describe("how many may read the dump at once"),
      reading_seconds: z.int().positive().default(60).describe("how long one may take"),
    })
    .prefault({}),
});

export type MonitorConfig = z.output<typeof monitorConfig>;

/** From a TOML file and the environment: SLICELAB_RESOURCE_MONITOR_… */
export function loadMonitorConfig(file: string | undefined, env: NodeJS.ProcessEnv): MonitorConfig {
  return loadConfig(monitorConfig, { file, env, prefix: "SLICELAB_RESOURCE_MONITOR" });
}

function ownAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((some) => some ?? []);
  return addresses.find(({ internal, family }) => !internal && family === "IPv4")?.address ?? "127.0.0.1";
}
