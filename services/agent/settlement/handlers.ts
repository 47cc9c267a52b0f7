import type { agentApi } from "#shared/wire/agent-api.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import type { Background } from "../background.ts";
import type { Deposits } from "../holdings/deposit.ts";
import { keepAnswer } from "../kept-answer.ts";
import { DONE } from "../registry/office.ts";
import type { Release } from "./release.ts";
import type { Settlement } from "./settlement.ts";

export type SettlementParts = {
  readonly deposits: Deposits;
  readonly settlement: Settlement;
  readonly release: Release;
  /** Runs what nobody waits for. */
  readonly inBackground: Background["run"];
};

/** The methods that say what became of tickets, and bring new ones to split. */
type SettlementMethods = Pick<
  Handlers<typeof agentApi>,
  "deposittickets" | "settletickets" | "releasetickets"
>;

export function settlementHandlers(parts: SettlementParts): SettlementMethods {
  const { deposits, settlement, release } = parts;
  return {
    deposittickets: async (deposit, { peer, replay, now }) => {
      await deposits.deposit(peer.name, deposit, (tx) => keepAnswer(tx, replay, DONE, now));
      return DONE;
    },

    settletickets: async (word, { peer, replay, now }) => {
      await settlement.settle(peer.name, word, (tx) => keepAnswer(tx, replay, DONE, now));
      return DONE;
    },

    releasetickets: async ({ tickets }, { peer, replay, now }) => {
      const released = await release.release(peer.name, tickets, (tx, answer) =>
        keepAnswer(tx, replay, answer, now),
      );
      const waiting = released.filter(({ state }) => state === "released").map(({ ticket }) => ticket);
      if (waiting.length > 0) parts.inBackground((signal) => release.reconcile(waiting, signal));
      return released;
    },
  };
}
