import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { contract, method } from "#shared/wire/xmlrpc/contract.ts";
import { EncodedReply } from "#shared/wire/xmlrpc/dispatch.ts";
import { startXmlRpcServer } from "#shared/wire/xmlrpc/server.ts";

/** A thousand advertisements of ten fields, of types that every XML-RPC program writes alike. */
export const ADS = Array.from({ length: 1000 }, (_, i) => ({
  node: i.toString(16).padStart(64, "0"),
  ip: `10.0.${i >> 8}.${i & 255}`,
  site: `site-${i % 100}`,
  engine: "container",
  image: "debian-12",
  cpu_millis: 4000 + i,
  memory_mib: 8192,
  load: i / 8 + 0.5,
  up: i % 7 !== 0,
  heard: "2030-01-01 00:00:00",
}));

const ad = z.object({
  node: z.string(),
  ip: z.string(),
  site: z.string(),
  engine: z.string(),
  image: z.string(),
  cpu_millis: z.int(),
  memory_mib: z.int(),
  load: z.number(),
  up: z.boolean(),
  heard: z.string(),
});

export const benchApi = contract({
  echo: method({
    params: z.object({ value: z.string() }),
    result: z.string(),
    help: "Gives back its argument.",
  }),
  getads: method({ result: z.array(ad), help: "A thousand advertisements." }),
});

/** Serves `benchApi` in a process of its own until its parent ends: ours with a cached or a fresh reply, or npm's. */
async function serve([kind, ...files]: string[]): Promise<void> {
  const [key, cert, ca] = await Promise.all(files.map((file) => readFile(file, "utf8")));
  const tls = { key: key!, cert: cert!, ca: ca! };
  process.send!(kind === "npm" ? await serveNpm(tls) : await serveOurs(tls, kind === "cached"));
}

async function serveOurs(tls: Parameters<typeof serverTlsOptions>[0], cached: boolean): Promise<number> {
  const reply = new EncodedReply(ADS);
  const handlers = {
    echo: ({ value }: { value: string }) => value,
    getads: () => (cached ? reply : ADS),
  };
  const server = await startXmlRpcServer(benchApi, handlers, {
    tls: { host: "127.0.0.1", port: 0, options: serverTlsOptions(tls) },
    authenticate: (socket) => peerOf(socket, { now: new Date() }),
    clock: { now: () => 0 },
    log: silentLog(),
  });
  return server.port;
}

async function serveNpm(tls: object): Promise<number> {
  const { default: xmlrpc } = await import("xmlrpc");
  const { promise, resolve } = Promise.withResolvers<void>();
  const options: object = { host: "127.0.0.1", port: 0, ...tls, requestCert: true, rejectUnauthorized: true };
  const server = xmlrpc.createSecureServer(
    options as Parameters<typeof xmlrpc.createSecureServer>[0],
    resolve,
  );
  server.on("echo", (_, [params], answer) => answer(null, params.value));
  server.on("getads", (_, __, answer) => answer(null, ADS));
  await promise;
  return ((server.httpServer as import("node:https").Server).address() as AddressInfo).port;
}

if (process.send && import.meta.main) {
  process.once("disconnect", () => process.exit());
  await serve(process.argv.slice(2));
}
