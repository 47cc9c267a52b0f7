import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "#test/support/directory.ts";
import { ownPort } from "#testbed/own-port.ts";
import { isThere } from "#testbed/packages.ts";
import { daemon } from "./gmond.ts";

/** Why tests with Debian's gmetad cannot be run here, or false. */
export const withoutGmetad: string | false = !isThere("gmetad") && "gmetad is not installed";

/** `port` gives its dump. */
export type Gmetad = AsyncDisposable & { readonly port: number };

/** A gmetad on the loopback that reads the dumps at these ports every second, as those of one cluster, "lab". */
export async function gmetad(...ports: readonly number[]): Promise<Gmetad> {
  await using owned = new AsyncDisposableStack();
  const directory = owned.use(await temporaryDirectory());
  const port = await ownPort();
  const config = join(directory.path, "gmetad.conf");
  const settings = [
    `data_source "lab" 1 ${ports.map((one) => `127.0.0.1:${one}`).join(" ")}`,
    `gridname "grid"`,
    `xml_port ${port}`,
    `interactive_port ${await ownPort()}`,
    "setuid off",
    "write_rrds off",
    `rrd_rootdir "${directory.path}"`,
    "all_trusted on",
    "case_sensitive_hostnames 1",
  ];
  await writeFile(config, `${settings.join("\n")}\n`);
  await chmod(directory.path, 0o777);
  owned.use(daemon("gmetad", ["-d", "1", "-c", config]));
  const kept = owned.move();
  return { port, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
