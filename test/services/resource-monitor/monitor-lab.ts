import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { monitorConfig } from "#services/resource-monitor/config.ts";
import { type MonitorService, startMonitor } from "#services/resource-monitor/service.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { readDump } from "#shared/wire/ganglia/dump-reader.ts";
import type { DumpHost } from "#shared/wire/ganglia/host.ts";
import { type Packet, readPacket, writePacket } from "#shared/wire/ganglia/packet.ts";
import { type FixedClock, fixedClock } from "#test/support/clock.ts";
import { ownPort } from "#testbed/own-port.ts";

const PORTS = { udp_port: 0, xml_port: 0, web_port: 0 };

export type MonitorLab = AsyncDisposable & { readonly monitor: MonitorService; readonly clock: FixedClock };

/** A monitor of a node called "own", or as said, on ports of its own, with a clock that stands still. */
export async function monitorLab(
  parts: {
    readonly name?: string;
    readonly listen?: object;
    readonly announce?: object;
    readonly limits?: object;
  } = {},
): Promise<MonitorLab> {
  const { name = "own", announce, limits } = parts;
  const node = { name, ip: "192.0.2.7", location: "here" };
  const listen = { ...PORTS, ...parts.listen };
  const config = monitorConfig.parse({ node, listen, announce, limits, cluster: { name: "lab" } });
  const clock = fixedClock("2030-01-01T00:00:00Z");
  const monitor = await startMonitor(config, { clock, log: silentLog() });
  return { monitor, clock, [Symbol.asyncDispose]: () => monitor[Symbol.asyncDispose]() };
}

/** The hosts of the dump at this port, by name. */
export async function dumpAt(port: number): Promise<ReadonlyMap<string, DumpHost>> {
  const socket = connect(port, "127.0.0.1");
  const hosts = new Map<string, DumpHost>();
  for await (const host of readDump(socket)) hosts.set(host.name, host);
  return hosts;
}

/** Somebody who only hears, on a port of its own. */
export type Listener = {
  readonly port: number;
  /** What was heard, which a test may empty. */
  readonly heard: Packet[];
  close(): Promise<void>;
};

export async function listener(): Promise<Listener> {
  const heard: Packet[] = [];
  const socket = createSocket("udp4").on("message", (bytes) => heard.push(readPacket(bytes)));
  socket.bind(await ownPort(), "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  return {
    ...{ port, heard },
    async close() {
      socket.close();
      await once(socket, "close");
    },
  };
}

/** Sends packets, or any bytes, from the loopback. */
export async function send(port: number, ...packets: readonly (Packet | Buffer)[]): Promise<void> {
  const socket = createSocket("udp4");
  for (const packet of packets) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const bytes = Buffer.isBuffer(packet) ? packet : writePacket(packet);
    socket.send(bytes, port, "127.0.0.1", (error) => (error ? reject(error) : resolve()));
    await promise;
  }
  socket.close();
  await once(socket, "close");
}

/** The two packets that tell of one metric. */
export function told(host: string, name: string, value: string, spoof = false): readonly Packet[] {
  const id = { host, name, spoof };
  const metadata = { type: "string", units: "", slope: "both", tmax: 60, dmax: 0, extra: [] } as const;
  return [
    { kind: "metadata", id, metadata },
    { kind: "value", id, as: "string", format: "%s", value },
  ];
}
