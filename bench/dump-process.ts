import { once } from "node:events";
import { createReadStream } from "node:fs";
import { type AddressInfo, createServer } from "node:net";

/** Gives the dump in a file, its argument, to whoever connects; says where and, to its parent, how often. */
const [file] = process.argv.slice(2);
const server = createServer((socket) => {
  createReadStream(file!, { highWaterMark: 2 ** 20 })
    .pipe(socket)
    .once("close", () => process.send?.("given"));
  socket.on("error", () => undefined);
});
server.listen({ host: "127.0.0.1", port: 0 });
await once(server, "listening");
process.send?.((server.address() as AddressInfo).port);
process.once("disconnect", () => process.exit());
