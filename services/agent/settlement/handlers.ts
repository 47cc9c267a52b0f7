import type { Instant } from "#shared/model/time.ts";
import type { Tx } from "#shared/runtime/database.ts";
import type { agentApi } from "#shared/wire/agent-api.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import type { Replay } from "#shared/wire/xmlrpc/replay.ts";
import type { Background } from "../background.ts";
import type { Deposits } from "../holdings/deposit.ts";
import { DONE } from "../registry/office.ts";
import { saveAnswer } from "../store/issuing/replies.ts";
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

/** How long an answer is kept that stays true for ever. */
const KEEP_SECONDS = 86_400;

export function settlementHandlers(parts: SettlementParts): SettlementMethods {
  const { deposits, settlement, release } = parts;
  return {
    deposittickets: async (deposit, { peer, replay, now }) => {
      await deposits.deposit(peer.name, deposit, (tx) => keep(tx, replay, DONE, now));
      return DONE;
    },

    settletickets: async (word, { peer, replay, now }) => {
      await settlement.settle(peer.name, word, (tx) => keep(tx, replay, DONE, now));
      return DONE;
    },

    releasetickets: async ({ tickets }, { peer, replay, now }) => {
      const released = await release.release(peer.name, tickets, (tx, answer) =>
        keep(tx, replay, answer, now),
      );
      const waiting = released.filter(({ state }) => state === "released").map(({ ticket }) => ticket);
      if (waiting.length > 0) parts.inBackground((signal) => release.reconcile(waiting, signal));
      return released;
    },
  };
}

async function keep(tx: Tx, replay: Replay | undefined, answer: unknown, now: Instant): Promise<void> {
  await replay?.remember(answer, now + KEEP_SECONDS, ({ scope, argumentsHash, reply, until }) =>
    saveAnswer(tx, scope, { argumentsHash, answer: { reply } }, until),
  );
}
