import type { ClientTlsOptions } from "#shared/identity/tls.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { formatLength, type Instant } from "#shared/model/time.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { Service } from "../config.ts";
import type { KeptRevocations } from "./kept-revocations.ts";

/** Agents are asked no more often than this. */
const EVERY_SECONDS = 600;
/** Longest that the end of a command waits for an agent: what it does waits for none. */
const PATIENCE_MS = 1_000;
/** When nobody has answered for so long, whoever runs a command is told how old is what they go by. */
const OLD_SECONDS = 86_400;

export type Asking = {
  readonly agents: readonly Service[];
  readonly tls: ClientTlsOptions;
  readonly now: Instant;
  readonly signal: AbortSignal;
  /** Told what somebody should know although the work goes on. */
  readonly notice?: (line: string) => void;
};

/**
 * Asks all agents what the authorities have revoked, where that was not done lately, and then says how old is what is known,
 * if that is old. Beside whatever is done, over connections of its own, which a command that ends does not cut off. Never
 * fails because of an agent, or of a home that can't be written: what is known already is gone by.
 */
export async function askQuietly(kept: KeptRevocations, asking: Asking): Promise<void> {
  try {
    await askNowAndThen(kept, asking);
  } catch (error) {
    if (!(error instanceof OperatorError) && !(error instanceof Error && "syscall" in error)) throw error;
    asking.notice?.(`what is revoked could not be kept: ${error.message}`);
  }
}

async function askNowAndThen(kept: KeptRevocations, asking: Asking): Promise<void> {
  const { agents, now, notice } = asking;
  const asked = await kept.asked();
  if (asked && now >= asked.tried && now - asked.tried < EVERY_SECONDS) return;
  using connections = new Connections(asking.tls);
  connections.heed(kept.isRevoked);
  const answers = await Promise.all(agents.map((agent) => ask(agent, kept, connections, asking.signal)));
  if (asking.signal.aborted) return;
  const answered = answers.includes(true) ? now : (asked?.answered ?? now);
  await kept.noteAsked({ tried: now, answered });
  for (const concern of kept.concerns(now)) notice?.(concern);
  if (now - answered > OLD_SECONDS) notice?.(oldSentence(now - answered));
}

function oldSentence(seconds: number): string {
  const length = formatLength(seconds);
  return `no agent has said for ${length} which keys are revoked: a server whose key was stolen since would not be noticed`;
}

/** Whether the agent has answered. A list that is refused, whatever is wrong with it, keeps no other away. */
async function ask(
  { url, identity }: Service,
  kept: KeptRevocations,
  connections: Connections,
  signal: AbortSignal,
): Promise<boolean> {
  const client = xmlRpcClient(agentApi, { url, connections, expectedPeer: identity, timeoutMs: PATIENCE_MS });
  try {
    const lists = await client.getrevocations({ since: kept.held }, { signal });
    for (const list of lists) await ignoringFailures(() => kept.take(list));
    return true;
  } catch (error) {
    if (!isCallFailure(error) && !signal.aborted) throw error;
    return false;
  }
}

async function ignoringFailures(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isCallFailure(error)) throw error;
  }
}
