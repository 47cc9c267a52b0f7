import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { isIP } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import pLimit from "p-limit";
import { type Packet, writePacket } from "./packet.ts";
import type { Target } from "./target.ts";

export type TellerCounts = {
  readonly sent: number;
  /** Times a target could not be told. */
  readonly failed: number;
};

/** Sends packets to targets. Disposing of it stops it. */
export type Teller = AsyncDisposable & {
  /**
   * Sends the packets to every target, and resolves when all was tried; never rejects. `packets` is called once for each,
   * and what it gives is made as it is sent, a hundred in a tenth of a second. Whoever cannot be told keeps nobody else
   * waiting.
   */
  tell(targets: readonly Target[], packets: () => Iterable<Packet>): Promise<void>;
  /** Breaks off what is being sent, so that nobody waits for it, and sends no more. */
  stop(): void;
  counts(): TellerCounts;
};

/** Receivers hold a burst, not thousands of packets. */
const BURST_PACKETS = 100;
const PAUSE_MILLISECONDS = 100;
/** A resolver that hangs holds a thread of the process's few. */
const LOOKUPS_AT_ONCE = 2;
const LOOKUP_MILLISECONDS = 5_000;

/** `onFailure` learns once of a target that cannot be told, until that works again. */
export function openTeller(onFailure: (error: unknown, target: Target) => void): Teller {
  const ending = new AbortController();
  const { signal } = ending;
  const addressOf = addresses(signal);
  const failing = new Set<Target>();
  const telling = new Set<Promise<unknown>>();
  let [sent, failed] = [0, 0];

  async function sendTo(target: Target, packets: Iterable<Packet>): Promise<void> {
    const { address, family } = await addressOf(target.host);
    await using socket = await openSocket(family);
    let inBurst = 0;
    for (const packet of packets) {
      if (inBurst === BURST_PACKETS) await pause(PAUSE_MILLISECONDS, undefined, { signal });
      inBurst = (inBurst % BURST_PACKETS) + 1;
      signal.throwIfAborted();
      await socket.send(writePacket(packet), target.port, address);
      sent += 1;
    }
  }

  async function tellOne(target: Target, packets: Iterable<Packet>): Promise<void> {
    try {
      await sendTo(target, packets);
      failing.delete(target);
    } catch (error) {
      if (signal.aborted) return;
      failed += 1;
      if (!failing.has(target)) onFailure(error, target);
      failing.add(target);
    }
  }

  async function tell(targets: readonly Target[], packets: () => Iterable<Packet>): Promise<void> {
    const all = Promise.all(targets.map((target) => tellOne(target, packets())));
    telling.add(all);
    await all.finally(() => telling.delete(all));
  }

  return {
    tell,
    stop: () => ending.abort(),
    counts: () => ({ sent, failed }),
    async [Symbol.asyncDispose]() {
      ending.abort();
      await Promise.all(telling);
    },
  };
}

type Address = { readonly address: string; readonly family: number };

/** What a target's host is to send to. Names are looked up anew each time, and waited for only so long. */
function addresses(ending: AbortSignal): (host: string) => Promise<Address> {
  const limit = pLimit(LOOKUPS_AT_ONCE);
  return async (host) => {
    const family = isIP(host);
    if (family > 0) return { address: host, family };
    const { promise: late, reject } = Promise.withResolvers<never>();
    const stop = () => reject(new Error(`${host} could not be looked up in time`));
    const signal = AbortSignal.any([ending, AbortSignal.timeout(LOOKUP_MILLISECONDS)]);
    signal.addEventListener("abort", stop, { once: true });
    return await Promise.race([limit(() => lookup(host, { order: "ipv4first" })), late]);
  };
}

type SendingSocket = AsyncDisposable & {
  send(bytes: Buffer, port: number, address: string): Promise<void>;
};

/** There for as long as something is sent: whoever finds out its port can send there, too, and keep this process busy. */
async function openSocket(family: number): Promise<SendingSocket> {
  const socket = createSocket(family === 6 ? "udp6" : "udp4");
  socket.bind();
  await once(socket, "listening");
  return {
    async send(bytes, port, address) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      socket.send(bytes, port, address, (error) => (error ? reject(error) : resolve()));
      await promise;
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}
