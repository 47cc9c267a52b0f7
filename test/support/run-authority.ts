import { createPrivateKey } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openCertificateAuthority } from "#shared/identity/certificate-authority.ts";
import { signingKey } from "#shared/identity/signature.ts";
import { type TestAuthority, type TestIdentity, testAuthority, testIdentity } from "./authority.ts";

/** Where `test/support/global-setup.ts` has the files of one run keep the identities they share. */
export const IDENTITIES_VARIABLE = "SLICELAB_TEST_IDENTITIES";

/**
 * An authority as `testAuthority` makes, but the same one in all files of a test run: who is certified by a name is made
 * once in the run, not once in every file, which is a tenth of a second each. Each identity asked of what one call gives is
 * another one, even of the same name. Other files may have the same ones at the same time: they are not for what files
 * share, such as the machine's cgroups. A file run by itself makes its own.
 */
export async function runAuthority(): Promise<TestAuthority> {
  const directory = process.env[IDENTITIES_VARIABLE];
  if (directory === undefined) return testAuthority();
  const ca = await kept(directory, "authority", async () => {
    const { authority } = await testAuthority();
    return [authority.key.private.export({ format: "pem", type: "pkcs8" }) as string, authority.certPem];
  });
  const authority = openCertificateAuthority(keyOf(ca[0]), ca[1]);
  const base = await testAuthority(undefined, authority);
  const asked = new Map<string, number>();

  async function identity(what: readonly string[], make: () => Promise<TestIdentity>): Promise<TestIdentity> {
    const words = what.join("-");
    const times = (asked.get(words) ?? 0) + 1;
    asked.set(words, times);
    const [key, cert] = await kept(directory!, `${words}-${times}`, async () => {
      const { keyPem, certPem } = await make();
      return [keyPem, certPem];
    });
    return testIdentity(keyOf(key), cert, authority.certPem);
  }

  return {
    ...base,
    client(name, options = {}) {
      if (options.validity) return base.client(name, options);
      return identity(["client", name, ...nameOf(options)], () => base.client(name, options));
    },
    server(name, addresses = ["127.0.0.1", "localhost"], options = {}) {
      if (options.validity) return base.server(name, addresses, options);
      const what = ["server", name, ...addresses, ...nameOf(options)];
      return identity(what, () => base.server(name, addresses, options));
    },
  };
}

type Pems = readonly [key: string, cert: string];

function nameOf({ key }: { readonly key?: TestIdentity["signingKey"] }): string[] {
  return key ? [key.public.name] : [];
}

function keyOf(pem: string): TestIdentity["signingKey"] {
  return signingKey(createPrivateKey(pem));
}

/** What the first process that wanted it has made; two that make it at once keep one. */
async function kept(directory: string, name: string, make: () => Promise<Pems>): Promise<Pems> {
  const path = join(directory, `${name.replaceAll("/", "_")}.json`);
  const there = await readKept(path);
  if (there) return there;
  const mine = `${path}.${process.pid}`;
  await writeFile(mine, JSON.stringify(await make()), { mode: 0o600 });
  await link(mine, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  await rm(mine);
  return (await readKept(path))!;
}

async function readKept(path: string): Promise<Pems | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Pems;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
