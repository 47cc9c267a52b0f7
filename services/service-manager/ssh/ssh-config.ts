import { join } from "node:path";
import { OperatorError } from "#shared/model/errors.ts";
import type { Lease } from "#shared/model/lease.ts";
import { readIfPresent, writeDurably } from "#shared/runtime/durable-file.ts";
import { slicePaths, slicesDirectory } from "../journal/slice-paths.ts";
import type { SliceState } from "../journal/slice-state.ts";
import { shortName } from "../terminal/output.ts";

const SSH_PORT = 22;
/** What a file name may not have in ssh_config(5), where it would mean something else. */
const UNTOLD = /["\\\n%*?[\]]|\$\{/;

/** The file that leads to all slices of a home: for `ssh -F`, or to be included in ~/.ssh/config. */
export function sshConfigFile(home: string): string {
  return join(home, "ssh_config");
}

/** The files of one slice: how its slivers are reached, and by which host keys their nodes are known. */
export function sshFiles(
  home: string,
  slice: string,
): { readonly config: string; readonly knownHosts: string } {
  const { directory } = slicePaths(home, slice);
  return { config: join(directory, "ssh_config"), knownHosts: join(directory, "known_hosts") };
}

/** What a sliver is called in those files: by its node's address or the beginning of its identity, and its slice. */
export function sshAlias({ ip, slice }: Lease): string {
  return `${ip}.${slice}`;
}

/**
 * Writes down how `ssh NODE.SLICE` reaches the slivers that a slice has now, so that it never asks anything. True when
 * this is the first slice of the home: its owner should be told of the file. Throws OperatorError for a home whose name
 * ssh can't be told.
 */
export async function writeSshConfig(
  home: string,
  state: Pick<SliceState, "record" | "leases">,
): Promise<boolean> {
  if (UNTOLD.test(home)) {
    throw new OperatorError(`ssh cannot be told of files in ${home}; choose a home with a plainer name`);
  }
  const { name } = state.record;
  const { config, knownHosts } = sshFiles(home, name);
  const leases = [...state.leases.values()].map(({ lease }) => lease).sort((a, b) => (a.ip < b.ip ? -1 : 1));
  await writeDurably(knownHosts, [...new Set(leases.map(knownHost))].join(""));
  await writeDurably(
    config,
    `${HEADER}${leases.map((lease) => hostEntry(home, lease, leases.length)).join("")}`,
  );
  const main = sshConfigFile(home);
  const contents = `${HEADER}Include "${slicesDirectory(home)}/*/ssh_config"\n`;
  const before = (await readIfPresent(main))?.toString();
  if (before !== contents) await writeDurably(main, contents);
  return before === undefined;
}

const HEADER = "# Written by the slice command, which overwrites it.\n";

function knownHost({ ssh }: Lease): string {
  const host = ssh.port === SSH_PORT ? ssh.host : `[${ssh.host}]:${ssh.port}`;
  return `${host} ${ssh.hostKey}\n`;
}

function hostEntry(home: string, lease: Lease, count: number): string {
  const { slice, node, ssh } = lease;
  const aliases = [sshAlias(lease), `${shortName(node)}.${slice}`, ...(count === 1 ? [slice] : [])];
  const settings = [
    `HostName ${ssh.host}`,
    `Port ${ssh.port}`,
    `User ${ssh.user}`,
    `IdentityFile "${slicePaths(home, slice).identity}"`,
    "IdentitiesOnly yes",
    `UserKnownHostsFile "${sshFiles(home, slice).knownHosts}"`,
    "GlobalKnownHostsFile /dev/null",
    "StrictHostKeyChecking yes",
    "ForwardAgent no",
    "ForwardX11 no",
    "ServerAliveInterval 30",
  ];
  return `\nHost ${aliases.join(" ")}\n${settings.map((setting) => `  ${setting}\n`).join("")}`;
}
