import { checkRenewed, renewalIsDue, renewalRequest } from "#shared/identity/certificate-renewal.ts";
import type { Identity, IdentityFiles } from "#shared/identity/identity.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { Service } from "../config.ts";

const CERTIFICATE_MODE = 0o644;

/** Whose certificate, where it lies, and who may have it renewed. */
export type OwnCertificate = {
  readonly identity: Identity;
  readonly files: IdentityFiles;
  readonly agents: readonly Service[];
  readonly connections: Connections;
};

/**
 * Has one's own certificate renewed when that is due, beside whatever is done: nothing waits for it, and nothing is said
 * of it. Where a call fails, or the file can't be written, the next command tries again; what is about to end is warned
 * of elsewhere.
 */
export async function renewQuietly(own: OwnCertificate, now: Date): Promise<void> {
  if (!renewalIsDue(own.identity.tls, now)) return;
  try {
    await renew(own, now);
  } catch (error) {
    const told = isCallFailure(error) || (error instanceof Error && "syscall" in error);
    if (!told) throw error;
  }
}

async function renew({ identity, files, agents, connections }: OwnCertificate, now: Date): Promise<void> {
  const [{ replaceFile }, { renewedByAny }] = await Promise.all([
    import("#shared/identity/new-file.ts"),
    import("#shared/wire/certificate-api.ts"),
  ]);
  const { csr } = await renewalRequest(identity);
  const renewed = await renewedByAny(agents, connections, csr);
  checkRenewed(identity.tls, renewed, now);
  await replaceFile(files.cert, renewed, CERTIFICATE_MODE);
}
