import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { join as path } from "node:path";
import { stringify } from "smol-toml";
import { hostAndPort } from "#shared/model/address.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { writeDurably } from "#shared/runtime/durable-file.ts";
import { joinAsService, type ServiceWish } from "#shared/wire/service-joining.ts";
import { type BrokerConfig, loadBrokerConfig } from "./config.ts";

/** What a broker's operator joins with. */
export type BrokerWish = Pick<ServiceWish, "invitation" | "name" | "note" | "onWaiting" | "onNotice"> & {
  /** What researchers call it by: an IP address, at which it listens then, or a name. */
  readonly address: string;
  /** Where broker.toml goes, and the authority's certificate unless it is there. */
  readonly directory: string;
  /** Where key and certificate go. */
  readonly state: string;
  readonly database: string;
  readonly redis?: string;
  readonly env: NodeJS.ProcessEnv;
};

/** What came of it; `place`: what researchers write into their configurations. */
export type JoinedBroker = {
  readonly file: string;
  readonly place: { readonly url: string; readonly identity: string };
};

/**
 * Makes a broker on this machine: key, certificate, and a configuration with the agent in it, which comes last. Ended
 * anywhere and called again it goes on with the same key. A configuration that is there is not touched; it has to name
 * the agent already.
 */
export async function joinBroker({ directory, state, env, ...wish }: BrokerWish): Promise<JoinedBroker> {
  const file = path(directory, "broker.toml");
  const identity = {
    key: path(state, "broker.key"),
    certificate: path(state, "broker.crt"),
    authority: path(directory, "ca.pem"),
  };
  const { agent, key } = await joinAsService({ ...wish, kind: "service", files: identity });
  if (existsSync(file)) {
    const config = loadBrokerConfig(file, env);
    refuseUnlessNamed(file, config, agent);
    return { file, place: placeOf(wish.address, config, key) };
  }
  const { address, database, redis } = wish;
  const listen = { address: isIP(address) === 0 ? "0.0.0.0" : address };
  const body = stringify({ database, ...(redis && { redis }), identity, listen, agents: [agent] });
  const secret = [database, redis].some(hasPassword);
  await writeDurably(file, `${HEADING}${body}\n`, secret ? 0o600 : 0o644);
  if (secret)
    wish.onNotice(
      `${file} has a password in it, so nobody but its owner can read it: give it to the user that the broker runs as (chown slicelab: ${file}), or move the URL to broker.env`,
    );
  return { file, place: placeOf(address, loadBrokerConfig(file, env), key) };
}

const HEADING = `# Slicelab broker. What else it can be told stands, with what it means, in packaging/config/broker.toml.

`;

/** Whether a URL is nothing for everybody on the machine to read; so is one that only its database understands. */
function hasPassword(text: string | undefined): boolean {
  if (text === undefined) return false;
  const url = URL.parse(text);
  return url?.password !== "" || url.searchParams.has("password");
}

type Agent = { readonly identity: string; readonly url: string };

/** What somebody has written is theirs: it is not changed, but has to name the agent. */
function refuseUnlessNamed(file: string, { agents }: BrokerConfig, agent: Agent): void {
  if (agents.some(({ identity }) => identity === agent.identity)) return;
  throw new OperatorError(
    `the broker is certified, but ${file} was there already and does not name the agent; add to it:\n\n[[agents]]\n${stringify(agent)}`,
  );
}

function placeOf(address: string, { listen }: BrokerConfig, identity: string): JoinedBroker["place"] {
  return { url: `https://${hostAndPort(address, listen.tls_port)}/RPC2`, identity };
}
