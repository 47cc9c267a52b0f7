/** What bench/xmlrpc.ts measures of npm's xmlrpc by itself. Its types cover only its clients and servers. */
declare module "xmlrpc/lib/serializer.js" {
  const serializer: { serializeMethodResponse(result: unknown): string };
  export default serializer;
}
declare module "xmlrpc/lib/deserializer.js" {
  export default class Deserializer {
    deserializeMethodResponse(
      stream: import("node:stream").Readable,
      done: (error: unknown, value: unknown) => void,
    ): void;
  }
}
