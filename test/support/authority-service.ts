import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AuthorityConfig } from "#services/authority/config.ts";
import { type AuthorityService, startAuthority } from "#services/authority/service.ts";
import { privateKeyPem } from "#shared/identity/key-file.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { ownPort } from "#testbed/own-port.ts";
import type { TestAuthority } from "./authority.ts";
import { temporaryDirectory } from "./directory.ts";

export type TestAuthorityService = AsyncDisposable & {
  readonly directory: string;
  readonly url: string;
  /** Starts it again where it was, after `stop`. */
  start(): Promise<void>;
  stop(): Promise<void>;
};

/** What a test's registrars may have certified: anything there is. */
export const ANYTHING = ["0.0.0.0/0", "::/0", "localhost", "*.org"];

/** A test's authority in a directory of its own, serving these registrars. */
export async function authorityService(
  { authority }: TestAuthority,
  registrars: readonly string[],
): Promise<TestAuthorityService> {
  const directory = await temporaryDirectory();
  const at = (name: string) => join(directory.path, name);
  await writeFile(at("ca.key"), privateKeyPem(authority.key), { mode: 0o600 });
  await writeFile(at("ca.pem"), authority.certPem);
  for (const register of ["issued.jsonl", "revoked.jsonl"]) await writeFile(at(register), "");
  const config: AuthorityConfig = {
    ...{ directory: directory.path, addresses: ["127.0.0.1"] },
    registrars: registrars.map((key) => ({ key, addresses: ANYTHING })),
    ...{
      longest_days: 365,
      list_days: 7,
      certificates_a_day: 1000,
      listen: { address: "127.0.0.1", tls_port: await ownPort() },
    },
  };
  let service: AuthorityService | undefined = await startAuthority(config, { log: silentLog() });
  const url = service.announce.tls;
  async function stop(): Promise<void> {
    await service?.[Symbol.asyncDispose]();
    service = undefined;
  }
  return {
    ...{ directory: directory.path, url, stop },
    async start() {
      service = await startAuthority(config, { log: silentLog() });
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await directory[Symbol.asyncDispose]();
    },
  };
}
