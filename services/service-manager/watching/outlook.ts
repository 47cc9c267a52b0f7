import type { Instant } from "#shared/model/time.ts";
import { isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { SliceState } from "../journal/slice-state.ts";
import type { Network } from "../network/network.ts";
import { failureSentence } from "../terminal/failure.ts";
import {
  type Advertised,
  certificateForewarning,
  type Forewarning,
  holdingForewarnings,
} from "./forewarning.ts";
import type { Happening } from "./happenings.ts";
import { Notices } from "./notices.ts";

/** Everything that agents advertise is asked for so often: holdings last for months. */
const HOLDINGS_EVERY_MILLISECONDS = 3_600_000;

/** What lies ahead of a watched slice, told when it comes into sight: what will end, and who is away. */
export class Outlook {
  readonly #notices = new Notices<Forewarning>();
  #holdings: readonly Forewarning[] = [];
  #holdingsAsked = Number.NEGATIVE_INFINITY;

  /** What is to be told now; `known`: what was found out elsewhere at this look. `uptime` is in milliseconds. */
  async news(
    { record, leases }: SliceState,
    network: Network,
    known: readonly Forewarning[],
    { leaseSeconds, at, uptime }: { leaseSeconds: number; at: Instant; uptime: number },
  ): Promise<Happening[]> {
    if (uptime - this.#holdingsAsked >= HOLDINGS_EVERY_MILLISECONDS) {
      const nodes = record.nodes.filter(({ node }) => leases.has(node));
      const advertised = await advertisedBy(network, at);
      this.#holdings = holdingForewarnings(nodes, advertised, leaseSeconds, at);
      this.#holdingsAsked = uptime;
    }
    const ours = ({ node }: Forewarning) => node === undefined || leases.has(node);
    const own = certificateForewarning(network.certified, at);
    const { begun, over } = this.#notices.news([...own, ...this.#holdings, ...known].filter(ours));
    const back = over.filter(({ event }) => event === "agent-away");
    return [
      ...begun.map(({ about: _, ...happening }): Happening => ({ at, ...happening })),
      ...back.map(
        ({ about }): Happening => ({ at, event: "agent-back", sentence: `${about} answers again` }),
      ),
    ];
  }
}

/** Agents that do not answer, from which no ticket is to be had meanwhile. */
export async function agentsAway(network: Network): Promise<Forewarning[]> {
  const answers = await Promise.all(
    network.agents.map(async (agent): Promise<Forewarning[]> => {
      try {
        await agent.facts();
        return [];
      } catch (error) {
        if (!isCallFailure(error)) throw error;
        const about = `agent ${agent.url}`;
        const sentence = `${failureSentence(error)}; leases are renewed as far as they go without it`;
        return [{ about, event: "agent-away", sentence }];
      }
    }),
  );
  return answers.flat();
}

/** What agents advertise, of those that answer. */
async function advertisedBy(network: Network, at: Instant): Promise<Advertised[]> {
  const answers = await Promise.all(
    network.agents.map(async (agent): Promise<Advertised[]> => {
      try {
        return [{ agent, ads: await agent.advertisements({ start: at, end: at + 1 }) }];
      } catch (error) {
        if (!isCallFailure(error)) throw error;
        return [];
      }
    }),
  );
  return answers.flat();
}
