import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadAgentConfig } from "#services/agent/config.ts";
import { openAuthority } from "#services/authority/authority.ts";
import { loadAuthorityConfig } from "#services/authority/config.ts";
import { readRegistrars } from "#services/authority/registrars.ts";
import { loadBrokerConfig } from "#services/broker/config.ts";
import { loadNodeManagerConfig } from "#services/node-manager/config.ts";
import { loadMonitorConfig } from "#services/resource-monitor/config.ts";
import { loadServiceManagerConfig } from "#services/service-manager/config.ts";
import type { Identity } from "#shared/identity/identity.ts";
import { hostAndPort } from "#shared/model/address.ts";
import { OperatorError } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import { checkAdministrators } from "./administrators.ts";
import { checkCertificates } from "./certificates.ts";
import { checkEngines } from "./engines.ts";
import type { Report } from "./finding.ts";
import { checkImages } from "./images.ts";
import { isServedWith } from "./listeners.ts";
import { checkAuthority, checkNames, checkReachable, checkServices, isServing } from "./peers.ts";
import { checkPorts, type ServedPort } from "./ports.ts";
import { checkRevocations } from "./revocations.ts";
import { asOwnerOf, withUser } from "./service-account.ts";
import { checkDatabase, checkRedis } from "./stores.ts";

export type Examination = {
  readonly report: Report;
  /** The configuration file; of `slice`, the home it lies in. */
  readonly config: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
};

/** Looks at everything a part needs, as its start would and further. Changes nothing. */
export type Examine = (examination: Examination) => Promise<void>;

/** What can be examined, in the order of a deployment's growth. */
export const EXAMINATIONS: Readonly<Record<string, Examine>> = {
  authority: examineAuthority,
  agent: examineAgent,
  broker: examineBroker,
  "node-manager": examineNodeManager,
  "resource-monitor": examineMonitor,
  slice: examineSlice,
};

async function examineAuthority({ report, config: file, env, clock }: Examination): Promise<void> {
  const config = loaded(report, file, () => loadAuthorityConfig(file, env));
  if (!config) return;
  const { directory, addresses, listen } = config;
  const own = { key: join(directory, "service.key"), certificate: join(directory, "service.crt") };
  try {
    await openAuthority(directory);
    report.well("authority", `${directory} holds one`);
    examineRegistrars(report, await readRegistrars(config.registrars));
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    report.trouble(
      "authority",
      error.message,
      "slicelab authority init makes one; copies of it are restored whole",
    );
    return;
  }
  let identity: Identity | undefined;
  if (existsSync(own.certificate)) {
    const files = { ...own, authority: join(directory, "ca.pem") };
    const certified = { files, kind: "server", address: addresses[0] } as const;
    identity = await checkCertificates(report, certified, new Date(clock.milliseconds()));
  }
  const { address, tls_port: port } = listen;
  const running = () => isRunning(file, identity, { address, port });
  await checkPorts(report, [{ name: "calls", address, port }], running);
}

function examineRegistrars(report: Report, registrars: Awaited<ReturnType<typeof readRegistrars>>): void {
  if (registrars.size === 0)
    report.warning("registrars", "it certifies for nobody", "name the agents' keys in registrars");
  for (const { key, addresses } of registrars.values()) {
    if (addresses.length > 0)
      report.well("registrars", `${key.slice(0, 12)} has ${addresses.join(", ")} certified`);
    else
      report.warning(
        "registrars",
        `${key.slice(0, 12)} has people certified, and neither nodes nor services`,
        'write { key = "…", addresses = ["192.0.2.0/24"] } in its place in registrars',
      );
  }
}

async function examineAgent({ report, config: file, env, clock }: Examination): Promise<void> {
  const config = loaded(report, file, () => loadAgentConfig(file, env));
  if (!config) return;
  await checkStore({ report, clock }, config, "agent");
  const identity = await examineService({ report, clock, config: file }, config);
  if (identity) await checkServices(report, identity, "agent", config.agents);
  if (identity && config.authority) await checkAuthority(report, identity, config.authority);
  await checkReachable(report, "monitor", config.monitors);
}

async function examineBroker({ report, config: file, env, clock }: Examination): Promise<void> {
  const config = loaded(report, file, () => loadBrokerConfig(file, env));
  if (!config) return;
  await checkStore({ report, clock }, config, "broker");
  if (config.redis !== undefined) await checkRedis(report, config.redis);
  const identity = await examineService({ report, clock, config: file }, config);
  if (identity) await checkServices(report, identity, "agent", config.agents);
  if (identity) await checkRevocations(report, identity, config.agents, clock.now());
  const { administrators, listen } = config;
  const option = "web_tls_port under [listen]";
  checkAdministrators(report, { administrators, port: listen.web_tls_port, option, own: identity?.name });
}

type Served = {
  readonly identity: { readonly key: string; readonly certificate: string; readonly authority: string };
  readonly listen: {
    readonly address: string;
    readonly tls_port: number;
    readonly plain_port?: number;
    readonly web_port: number;
    readonly web_tls_port?: number;
  };
};

type Stored = { readonly database: string; readonly identity: { readonly key: string } };

/** The database, as the service will use it: as whoever may read its key. */
async function checkStore(
  { report, clock }: Pick<Examination, "report" | "clock">,
  { database, identity: { key } }: Stored,
  schema: string,
): Promise<void> {
  await asOwnerOf(key, (account) =>
    checkDatabase(report, { url: withUser(database, account), schema, clock }),
  );
}

/** What agent and broker have in common. */
async function examineService(
  { report, clock, config: file }: Pick<Examination, "report" | "clock" | "config">,
  { identity: files, listen }: Served,
) {
  const { address, tls_port, plain_port, web_port, web_tls_port } = listen;
  const certified = { files, kind: "server", address: concrete(address) } as const;
  const identity = await checkCertificates(report, certified, new Date(clock.milliseconds()));
  const running = () => isRunning(file, identity, { address, port: tls_port });
  const ports: ServedPort[] = [
    { name: "calls", address, port: tls_port },
    { name: "calls without TLS", address, port: plain_port },
    { name: "pages", address, port: web_port },
    { name: "pages over TLS", address, port: web_tls_port },
  ];
  await checkPorts(report, ports, running);
  return identity;
}

async function examineNodeManager({ report, config: file, env, clock }: Examination): Promise<void> {
  const config = loaded(report, file, () => loadNodeManagerConfig({ file, env }));
  if (!config) return;
  const { host, ip, ports } = config;
  const { key, cert: certificate, ca: authority } = config.identity;
  const certified = { files: { key, certificate, authority }, kind: "server", address: ip } as const;
  const identity = await checkCertificates(report, certified, new Date(clock.milliseconds()));
  const running = () => isRunning(file, identity, { address: host, port: ports.tls });
  const served = {
    calls: ports.tls,
    "calls without TLS": ports.plain,
    pages: ports.web,
    "pages over TLS": ports.web_tls,
    ssh: ports.ssh,
  };
  const all = Object.entries({ ...served, slicestat: ports.slicestat });
  await checkPorts(
    report,
    all.map(([name, port]) => ({ name, address: host, port })),
    running,
  );
  await checkImages(report, config);
  await checkEngines(report, config, clock);
  if (config.agents.length === 0) {
    report.warning("agent", "no agent may hand this node out", "write an [[agents]] with its key and URL");
  }
  if (identity) await checkServices(report, identity, "agent", config.agents);
  if (identity) await checkRevocations(report, identity, config.agents, clock.now());
  const { administrators } = config;
  const option = "web_tls under [ports]";
  checkAdministrators(report, { administrators, port: ports.web_tls, option, own: identity?.name });
}

async function examineMonitor({ report, config: file, env }: Examination): Promise<void> {
  const config = loaded(report, file, () => loadMonitorConfig(file, env));
  if (!config) return;
  const { address, udp_port, xml_port, web_port } = config.listen;
  const running = () =>
    isMonitoring(`http://${hostAndPort(concrete(address) ?? "127.0.0.1", web_port)}/metrics`);
  const ports: ServedPort[] = [
    { name: "packets", address, port: udp_port, protocol: "udp" },
    { name: "the dump", address, port: xml_port },
    { name: "/metrics", address, port: web_port },
  ];
  await checkPorts(report, ports, running);
  await checkNames(report, "monitor", config.announce.to);
}

/** Whether the service that is examined answers there with its key or, where none can be asked for it, is seen to run. */
async function isRunning(
  config: string,
  identity: Identity | undefined,
  { address, port }: { address: string; port: number },
): Promise<boolean> {
  if (identity && (await isServing(identity, rpc(address, port)))) return true;
  return await isServedWith(config, port);
}

async function isMonitoring(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    return (await answer.text()).includes("slicelab_monitor_");
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException) return false; // not reached, or not in time
    throw error;
  }
}

async function examineSlice({ report, config: home, clock }: Examination): Promise<void> {
  const config = loaded(report, home, () => loadServiceManagerConfig(home));
  if (!config) return;
  const certified = { files: config, kind: "client" } as const;
  const identity = await checkCertificates(report, certified, new Date(clock.milliseconds()));
  if (!identity) return;
  await checkServices(report, identity, "agent", config.agents);
  await checkRevocations(report, identity, config.agents, clock.now());
  if (config.broker) await checkServices(report, identity, "broker", [config.broker]);
}

function loaded<Config>(report: Report, file: string, load: () => Config): Config | undefined {
  try {
    const config = load();
    report.well("configuration", `${file} is understood`);
    return config;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    const mend = "slicelab's packaging/config shows every option with what it means";
    report.trouble("configuration", error.message.replaceAll("\n", "; "), mend);
    return undefined;
  }
}

/** Nothing for the addresses that mean every one. */
function concrete(address: string): string | undefined {
  return ["0.0.0.0", "::"].includes(address) ? undefined : address;
}

function rpc(address: string, port: number): string {
  return `https://${hostAndPort(concrete(address) ?? "127.0.0.1", port)}/RPC2`;
}
