import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { ownPort } from "#testbed/own-port.ts";
import { isThere } from "#testbed/packages.ts";
import { dumpAt } from "./monitor-lab.ts";

/** Why tests with Debian's gmond cannot be run here, or false. */
export const withoutGmond: string | false = !isThere("gmond") && "ganglia-monitor is not installed";

/** `port` takes packets by UDP and gives the dump by TCP; `config` is what gmetric finds the port by. */
export type Gmond = AsyncDisposable & { readonly port: number; readonly config: string };

const NOBODY = 65_534;

export type GmondOptions = {
  /** A port that is free, if the test has to know it before. */
  readonly port?: number;
  /** How often it says what its metrics mean; 0: at its start, and when somebody asks. */
  readonly metadataSeconds?: number;
};

/** A gmond on the loopback, nobody's when root runs this. It tells `tellsPort` of its load, or nobody. */
export async function gmond(tellsPort?: number, options: GmondOptions = {}): Promise<Gmond> {
  await using owned = new AsyncDisposableStack();
  const directory = owned.use(await temporaryDirectory());
  const port = options.port ?? (await ownPort());
  const config = join(directory.path, "gmond.conf");
  await writeFile(config, configuration(port, tellsPort ?? port, options.metadataSeconds ?? 1));
  await chmod(directory.path, 0o755);
  owned.use(daemon("gmond", ["-f", "-c", config]));
  await eventually(async () => (await dumpAt(port)) !== undefined, { what: "gmond's dump" });
  const kept = owned.move();
  return { port, config, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** A program that runs until it is disposed of, without rights. */
export function daemon(program: string, args: readonly string[]): AsyncDisposable {
  const rights = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const child: ChildProcess = spawn(program, args, { stdio: "ignore", ...rights });
  const ended = once(child, "exit");
  return {
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await ended;
    },
  };
}

function configuration(port: number, tellsPort: number, metadataSeconds: number): string {
  const [module] = globSync("/usr/lib/*/ganglia/modload.so");
  return `
globals {
  daemonize = no
  setuid = no
  send_metadata_interval = ${metadataSeconds}
  cleanup_threshold = 1
}
cluster {
  name = "real"
}
host {
  location = "rack 1"
}
udp_send_channel {
  host = 127.0.0.1
  port = ${tellsPort}
}
udp_recv_channel {
  port = ${port}
  bind = 127.0.0.1
}
tcp_accept_channel {
  port = ${port}
  bind = 127.0.0.1
}
modules {
  module {
    name = "core_metrics"
  }
  module {
    name = "load_module"
    path = "${module}"
  }
}
collection_group {
  collect_once = yes
  time_threshold = 20
  metric {
    name = "heartbeat"
  }
}
collection_group {
  collect_every = 1
  time_threshold = 1
  metric {
    name = "load_one"
  }
}
`;
}
