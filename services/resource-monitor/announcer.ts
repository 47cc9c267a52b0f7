import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import type { Log } from "#shared/runtime/log.ts";
import { type Packet, writePacket } from "#shared/wire/ganglia/packet.ts";
import type { OwnHost } from "./own-host.ts";

/** Somebody who is told of this node. */
export type Target = { readonly host: string; readonly port: number };

export type AnnouncerOptions = {
  readonly own: OwnHost;
  readonly targets: readonly Target[];
  readonly everySeconds: number;
  /** How often it is told again what the metrics mean, for those who were not there. */
  readonly metadataSeconds: number;
  readonly uptime: () => number;
  readonly log: Log;
};

export type Announcer = AsyncDisposable & {
  /** Looks at the node and tells everybody, now; joins the round that is under way. */
  round(): Promise<void>;
  /** The next round says what the metrics mean. */
  explain(): void;
  counts(): { readonly sent: number; readonly failed: number };
};

/** Looks at the node over and over, and announces what it finds. Whoever cannot be reached keeps nobody else waiting. */
export async function startAnnouncer(options: AnnouncerOptions): Promise<Announcer> {
  const { own, targets, everySeconds, metadataSeconds, uptime, log } = options;
  const sockets = { 4: createSocket("udp4"), 6: createSocket("udp6") };
  for (const socket of Object.values(sockets))
    socket.on("error", (err) => log.warn({ err }, "an announcement could not be sent"));
  let [sent, failed] = [0, 0];
  let explainAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let ended = false;

  async function tell({ host, port }: Target, packets: readonly Packet[]): Promise<void> {
    try {
      const { address, family } = await lookup(host);
      const socket = sockets[family as 4 | 6];
      for (const packet of packets) await send(socket, writePacket(packet), port, address);
      sent += packets.length;
    } catch (err) {
      failed += 1;
      log.warn({ err, target: `${host}:${port}` }, "the node could not be announced there");
    }
  }

  async function look(): Promise<void> {
    try {
      const { metadata, values } = await own.look();
      const explains = uptime() >= explainAt;
      if (explains) explainAt = uptime() + metadataSeconds * 1000;
      const packets = explains ? [...metadata, ...values] : values;
      await Promise.all(targets.map((target) => tell(target, packets)));
    } catch (err) {
      log.warn({ err }, "the node could not be read");
    }
    if (!ended) timer = setTimeout(round, everySeconds * 1000);
  }

  function round(): Promise<void> {
    clearTimeout(timer);
    running ??= look().finally(() => {
      running = undefined;
    });
    return running;
  }

  await round();
  return {
    round,
    explain: () => {
      explainAt = Number.NEGATIVE_INFINITY;
    },
    counts: () => ({ sent, failed }),
    async [Symbol.asyncDispose]() {
      ended = true;
      clearTimeout(timer);
      await running;
      for (const socket of Object.values(sockets)) socket.close();
    },
  };
}

async function send(socket: Socket, bytes: Buffer, port: number, address: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.send(bytes, port, address, (error) => (error ? reject(error) : resolve()));
  await promise;
}
