import { agentConfig } from "#services/agent/config.ts";
import { authorityConfig } from "#services/authority/config.ts";
import { brokerConfig } from "#services/broker/config.ts";
import { nodeManagerConfig } from "#services/node-manager/config.ts";
import { monitorConfig } from "#services/resource-monitor/config.ts";
import { serviceManagerConfig } from "#services/service-manager/config.ts";
import type { Configuration } from "./configuration.ts";

const KEY_NAME = "0".repeat(64);
const AGENT_URL = "https://agent.example.org:7001/RPC2";
const NODE_IP = "192.0.2.4";

/** What is told at the top of a service's file. */
function heading(part: string, prefix: string, others = ""): string[] {
  return [
    `Slicelab ${part}: what it can be told. Its unit reads /etc/slicelab/${part}.toml.`,
    "",
    "Lines that begin with # and a name are options as they are anyway, or examples of what has no default; take the",
    `sign away to change them. Variables win over this file: ${prefix}_ and an option's path in capitals, such as`,
    `${prefix}_IDENTITY_KEY for key of [identity]${others}. \`slicelab doctor\` says what is wrong with it.`,
  ];
}

/** A service renews its certificate, so it keeps that where its unit lets it write. */
function identityIn(directory: string, part: string): Record<string, string> {
  return {
    "identity.key": `${directory}/${part}.key`,
    "identity.certificate": `${directory}/${part}.crt`,
    "identity.authority": "/etc/slicelab/ca.pem",
  };
}

const SHARE = { cpu_millis: 2000, memory_mib: 4096, disk_mib: 40_000, egress_kbps: 100_000, slivers: 50 };

function shareAt(path: string, share: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(share).map(([name, value]) => [`${path}.${name}`, value]));
}

/** The configuration files of all parts, by their names in packaging/config. */
export const CONFIGURATIONS: Readonly<Record<string, Configuration>> = {
  "agent.toml": {
    heading: heading("agent", "SLICELAB_AGENT", ", and DATABASE_URL"),
    schema: agentConfig,
    examples: {
      ...identityIn("/var/lib/slicelab/agent", "agent"),
      database: "postgresql:///slicelab?host=/var/run/postgresql",
      ticket_key: "/var/lib/slicelab/agent/ticket.key",
      previous_ticket_key: "/var/lib/slicelab/agent/ticket-before.key",
      "listen.plain_port": 7000,
      "listen.web_names": ["agent.example.org"],
      "listen.web_tls_port": 7003,
      "authority.url": "https://authority.example.org:6001/RPC2",
      "authority.identity": KEY_NAME,
      "enrolment.url": AGENT_URL,
      "agents.identity": KEY_NAME,
      "agents.url": AGENT_URL,
      "monitors.host": "monitor.example.org",
    },
  },
  "authority.toml": {
    heading: heading("authority", "SLICELAB_AUTHORITY").map((line) =>
      line.replace("_IDENTITY_KEY for key of [identity]", "_LISTEN_ADDRESS for address of [listen]"),
    ),
    schema: authorityConfig,
    examples: {
      directory: "/var/lib/slicelab/authority",
      addresses: ["authority.example.org", "192.0.2.9"],
      registrars: [{ key: "/etc/slicelab/agent.crt", addresses: ["192.0.2.0/24", "*.example.org"] }],
    },
  },
  "broker.toml": {
    heading: heading("broker", "SLICELAB_BROKER", ", DATABASE_URL and REDIS_URL"),
    schema: brokerConfig,
    examples: {
      ...identityIn("/var/lib/slicelab/broker", "broker"),
      database: "postgresql:///slicelab?host=/var/run/postgresql",
      redis: "redis://127.0.0.1:6379",
      "listen.plain_port": 9000,
      "listen.web_tls_port": 9003,
      administrators: [KEY_NAME],
      "listen.web_names": ["broker.example.org"],
      "agents.identity": KEY_NAME,
      "agents.url": AGENT_URL,
    },
  },
  "node-manager.toml": {
    heading: heading("node-manager", "SLICELAB_NODE_MANAGER"),
    schema: nodeManagerConfig,
    examples: {
      ...identityIn("/etc/slicelab", "node-manager"),
      ...shareAt("capacity", SHARE),
      ...shareAt("agents.share", { ...SHARE, slivers: 25 }),
      ip: NODE_IP,
      host: NODE_IP,
      state: "/var/lib/slicelab/node",
      "ports.plain": 8000,
      "ports.web_tls": 8003,
      web_names: ["node4.example.org"],
      administrators: [KEY_NAME],
      engines: ["container"],
      images: ["debian-12", "busybox"],
      image_limit_mib: 8192,
      images_directory: "/var/lib/slicelab/images",
      docker_socket: "/var/run/docker.sock",
      "monitor.name": "node4",
      "monitor.announce_to": ["127.0.0.1:8649", "monitor.example.org:8649"],
      "monitor.slices_to": ["127.0.0.1:8649"],
      "agents.identity": KEY_NAME,
      "agents.url": AGENT_URL,
      "agents.administrative": ["CAP_NET_RAW"],
      leasable_ports: [
        { protocol: "tcp", from: 1024, to: 65_535 },
        { protocol: "udp", from: 1024, to: 65_535 },
      ],
      reserved_ports: [{ protocol: "tcp", from: 8648, to: 8649 }],
    },
  },
  "resource-monitor.toml": {
    heading: heading("resource-monitor", "SLICELAB_RESOURCE_MONITOR").map((line) =>
      line.replace("_IDENTITY_KEY for key of [identity]", "_NODE_NAME for name of [node]"),
    ),
    schema: monitorConfig,
    examples: {
      "node.name": "node4",
      "node.ip": NODE_IP,
      "listen.web_names": ["monitor.example.org"],
      "listen.join": "239.2.11.71",
      "listen.from": ["192.0.2.0/24"],
      "announce.to": ["monitor.example.org:8649"],
    },
  },
  "slice.toml": {
    heading: [
      "slice: whose slices these are and who is asked for nodes. It is read as ~/.slicelab/config.toml, or config.toml of",
      "$SLICELAB_HOME. Files are relative to that folder.",
    ],
    schema: serviceManagerConfig,
    examples: {
      authority: "ca.pem",
      key: "me.key",
      certificate: "me.crt",
      "agents.url": AGENT_URL,
      "agents.identity": KEY_NAME,
      "broker.url": "https://broker.example.org:9001/RPC2",
      "broker.identity": KEY_NAME,
    },
  },
};
