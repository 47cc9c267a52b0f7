import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join as path } from "node:path";
import { stringify } from "smol-toml";
import { parseCertificate } from "#shared/identity/certificate.ts";
import { type KeyName, publicKeyOf } from "#shared/identity/key.ts";
import { keyFileFor } from "#shared/identity/key-file.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { writeDurably } from "#shared/runtime/durable-file.ts";
import { readInvitation } from "#shared/wire/invitation.ts";
import { join, unnamedText } from "#shared/wire/joining.ts";
import { loadServiceManagerConfig, type ServiceManagerConfig } from "./config.ts";

/** What a person joins with. */
export type Wish = {
  readonly home: string;
  /** As it was pasted. */
  readonly invitation: string;
  readonly name?: string;
  readonly note?: string;
  readonly signal: AbortSignal;
  readonly onWaiting: (enrolment: string) => void;
};

/**
 * The agent's address. `had`: the file of a key that was certified before, where nothing was done. `notice`: what the
 * person is to know of authorities that the agent named, and is not made to believe.
 */
export type Joined = { readonly url: string; readonly had?: string; readonly notice?: string };

/** The files a home is made of. */
type Files = Pick<ServiceManagerConfig, "authority" | "key" | "certificate">;

/**
 * Makes a home: a key, its certificate, the authority's, and the configuration, which comes last. Ended anywhere and
 * called again it goes on with the same key. In a home that has lost its key, or never got that key's certificate, it
 * makes another and leaves all else as it is. Throws OperatorError for a home that belongs
 * to another agent, and what `join` throws.
 */
export async function joinHome({ home, invitation: text, ...wish }: Wish): Promise<Joined> {
  const invitation = readInvitation(text);
  const configuration = path(home, "config.toml");
  const before = existsSync(configuration) ? joinedBefore(home, invitation.url) : undefined;
  await mkdir(home, { recursive: true, mode: 0o700 });
  const files = before ?? newFiles(home);
  const key = await keyFileFor(files.key, { type: "rsa" });
  if (before && (await isCertified(before.certificate, key.public.name)))
    return { url: invitation.url, had: files.key };
  const { certificate, authorities, agent, ...more } = await join(
    { key, invitation, kind: "person", ...wish },
    wish,
  );
  if (!before || !existsSync(before.authority)) await writeDurably(files.authority, authorities, 0o644);
  await writeDurably(files.certificate, certificate, 0o644);
  const joined = { url: agent.url, notice: unnamedText(more) };
  if (before) return joined;
  const config = { authority: "ca.pem", key: "me.key", certificate: "me.crt", agents: [agent] };
  await writeDurably(configuration, `${stringify(config)}\n`, 0o600);
  return joined;
}

function newFiles(home: string): Files {
  return { authority: path(home, "ca.pem"), key: path(home, "me.key"), certificate: path(home, "me.crt") };
}

async function isCertified(certificate: string, key: KeyName): Promise<boolean> {
  if (!existsSync(certificate)) return false;
  return publicKeyOf(parseCertificate(await readFile(certificate, "utf8")).publicKey).name === key;
}

function joinedBefore(home: string, url: string): Files {
  const config = loadServiceManagerConfig(home);
  if (config.agents.some((agent) => agent.url === url)) return config;
  throw new OperatorError(
    `${path(home, "config.toml")} is there already, for another agent: set SLICELAB_HOME to an empty folder to join with another key, or have your certificate added at the other agent and name it in this file`,
  );
}
