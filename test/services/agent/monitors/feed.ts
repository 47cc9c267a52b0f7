import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { DumpAddress } from "#services/agent/monitors/dump-connection.ts";
import { dumpText } from "#shared/wire/ganglia/dump-writer.ts";
import type { DumpHost } from "#shared/wire/ganglia/host.ts";
import { ownPort } from "#testbed/own-port.ts";

/** A monitor that tells whatever a test wants told. */
export type Feed = AsyncDisposable & {
  readonly address: DumpAddress;
  /** How often it was asked. */
  readonly asked: number;
  /** What it gives from now on: hosts, text, or whatever is done with who asks. */
  tells(what: readonly DumpHost[] | string | ((socket: Socket) => void)): void;
};

const FRAME = { version: "3.7.2", cluster: "c", owner: "o", latlong: "", url: "", localtime: 5 };

export async function feed(): Promise<Feed> {
  let answer: (socket: Socket) => void = (socket) => socket.end(dump([]));
  let asked = 0;
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    asked += 1;
    open.add(socket);
    socket.once("close", () => open.delete(socket)).on("error", () => undefined);
    answer(socket);
  });
  const address = { host: "127.0.0.1", port: await ownPort() };
  server.listen(address);
  await once(server, "listening");
  return {
    address,
    get asked() {
      return asked;
    },
    tells(what) {
      answer = typeof what === "function" ? what : (socket) => socket.end(textOf(what));
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function textOf(what: readonly DumpHost[] | string): string {
  return typeof what === "string" ? what : dump(what);
}

export function dump(hosts: readonly DumpHost[]): string {
  return [...dumpText(FRAME, hosts)].join("");
}

/** A host with metrics, each its value or its value and age. */
export function host(
  ip: string,
  metrics: Readonly<Record<string, string | readonly [value: string, tn: number]>>,
  parts: Partial<DumpHost> = {},
): DumpHost {
  return {
    ...{ cluster: "c", name: `host-${ip}`, ip, location: "", tags: "", reported: 0, tn: 0 },
    ...{ tmax: 20, dmax: 0, started: 0 },
    metrics: Object.entries(metrics).map(([name, said]) => {
      const [value, tn] = typeof said === "string" ? [said, 0] : said;
      return { name, value, tn, type: "string", units: "", slope: "both", tmax: 60, dmax: 0, extra: [] };
    }),
    ...parts,
  };
}
