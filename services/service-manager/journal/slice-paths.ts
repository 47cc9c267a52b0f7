import { join } from "node:path";
import { checkSliceName } from "#shared/model/slice-name.ts";
import { readName256 } from "#shared/wire/fields.ts";

/** Where a slice's state lies below the home directory. Names are checked before they become part of a path. */
export type SlicePaths = {
  readonly directory: string;
  readonly record: string;
  readonly description: string;
  readonly identity: string;
  readonly publicIdentity: string;
  readonly log: string;
  readonly tickets: string;
  readonly leases: string;
  readonly program: string;
  ticket(id: string): string;
  lease(node: string): string;
  /** The public key of the node that signed the lease beside it. */
  nodeKey(node: string): string;
  /** A file of the program, by the SHA-256 of its contents. */
  programFile(sha256: string): string;
};

export const TICKET_SUFFIX = ".ticket";
export const LEASE_SUFFIX = ".lease";

export function slicesDirectory(home: string): string {
  return join(home, "slices");
}

export function slicePaths(home: string, name: string): SlicePaths {
  const directory = join(slicesDirectory(home), checkSliceName(name));
  const inside = (part: string) => join(directory, part);
  const [tickets, leases, program] = [inside("tickets"), inside("leases"), inside("program")];
  return {
    directory,
    record: inside("slice.json"),
    description: inside("description.xml"),
    identity: inside("identity"),
    publicIdentity: inside("identity.pub"),
    log: inside("log"),
    tickets,
    leases,
    program,
    ticket: (id) => join(tickets, `${readName256(id)}${TICKET_SUFFIX}`),
    lease: (node) => join(leases, `${readName256(node)}${LEASE_SUFFIX}`),
    nodeKey: (node) => join(leases, `${readName256(node)}.key`),
    programFile: (sha256) => join(program, readName256(sha256)),
  };
}

/** Locks outlive the slices they guard, so that nobody waits for a lock that was removed with its slice. */
export function lockPath(home: string, name: string): string {
  return join(home, "locks", checkSliceName(name));
}
