import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join as path } from "node:path";
import { stringify } from "smol-toml";
import { keyFileFor } from "#shared/identity/key-file.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { writeDurably } from "#shared/runtime/durable-file.ts";
import { readInvitation } from "#shared/wire/invitation.ts";
import { join } from "#shared/wire/joining.ts";
import { loadServiceManagerConfig } from "./config.ts";

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
 * Makes a home: a key, its certificate, the authority's, and the configuration, which comes last. Ended anywhere and
 * called again it goes on with the same key. Gives the agent's address. Throws OperatorError for a home that belongs
 * to another agent, and what `join` throws.
 */
export async function joinHome({ home, invitation: text, ...wish }: Wish): Promise<string> {
  const invitation = readInvitation(text);
  const configuration = path(home, "config.toml");
  if (existsSync(configuration)) return joinedBefore(home, invitation.url);
  await mkdir(home, { recursive: true, mode: 0o700 });
  const key = await keyFileFor(path(home, "me.key"), { type: "rsa" });
  const { certificate, authorities, agent } = await join({ key, invitation, kind: "person", ...wish }, wish);
  await writeDurably(path(home, "ca.pem"), authorities, 0o644);
  await writeDurably(path(home, "me.crt"), certificate, 0o644);
  const config = { authority: "ca.pem", key: "me.key", certificate: "me.crt", agents: [agent] };
  await writeDurably(configuration, `${stringify(config)}\n`, 0o600);
  return agent.url;
}

function joinedBefore(home: string, url: string): string {
  if (loadServiceManagerConfig(home).agents.some((agent) => agent.url === url)) return url;
  throw new OperatorError(
    `${path(home, "config.toml")} is there already, for another agent: set SLICELAB_HOME to an empty folder to join with another key, or have your certificate added at the other agent and name it in this file`,
  );
}
