import { OperatorError } from "#shared/model/errors.ts";
import { type PrivateDaemon, startPrivateDaemon } from "#testbed/docker-daemon.ts";
import { isThere } from "#testbed/packages.ts";

/** A Docker daemon of a test's own: nothing of the machine's is touched by it. */
export type DockerDaemon = PrivateDaemon & {
  /** An address at which the ports of its containers are, in its network namespace. */
  readonly address: string;
};

/** What tests of the engine need besides a daemon. */
const PROGRAMS = ["catatonit", "tar"];
const NETWORK = ["--iptables=false", "--ip6tables=false", "--bip=172.31.250.1/24"];

/** A daemon, or why none can be started here: then tests that need one are skipped. */
export async function dockerIfPossible(): Promise<
  { daemon: DockerDaemon; skip: false } | { daemon?: never; skip: string }
> {
  const missing = PROGRAMS.filter((name) => !isThere(name));
  if (missing.length > 0) return { skip: `there is no ${missing.join(", ")}` };
  try {
    return { daemon: { ...(await startPrivateDaemon(NETWORK)), address: "127.0.0.1" }, skip: false };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { skip: `no Docker daemon can be started here: ${error.message}` };
  }
}
