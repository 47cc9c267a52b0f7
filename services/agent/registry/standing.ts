import type { KeyName } from "#shared/identity/key.ts";
import { OperatorError } from "#shared/model/errors.ts";
import type { Tx } from "#shared/runtime/database.ts";
import { nodeCalled } from "../store/holdings/held.ts";
import { setSuspended } from "../store/registry/registry.ts";
import { countedOn, lockStanding, setOverbooking, setStanding } from "../store/registry/standing.ts";
import type { Office } from "./office.ts";

/**
 * Nothing new is issued for a node from the moment this resolves, and nothing on it is advertised as free; what there is
 * goes on. `node`: its name here, its address or that of its key.
 */
export async function drainNode(office: Office, node: string): Promise<void> {
  await office.act("drain node", { node }, async (tx) => {
    const name = await nodeNamed(tx, node);
    await lockStanding(tx, name);
    await setStanding(tx, name, "drained", office.clock.now());
  });
}

/** Ends draining, or takes a retired node back. */
export async function resumeNode(office: Office, node: string): Promise<void> {
  await office.act("resume node", { node }, async (tx) => {
    const name = await nodeNamed(tx, node);
    await setStanding(tx, name, "serving", office.clock.now());
    await setSuspended(tx, name, false);
  });
}

/** A node is gone for good: it is listed no more and gives nothing. Refused while something counts there. */
export async function retireNode(office: Office, node: string): Promise<void> {
  await office.act("retire node", { node }, async (tx) => {
    const name = await nodeNamed(tx, node);
    await lockStanding(tx, name);
    const now = office.clock.now();
    const count = await countedOn(tx, name, now);
    if (count > 0)
      throw new OperatorError(
        `${count} ${count === 1 ? "ticket or grant counts" : "tickets or grants count"} on ${node}; drain it and wait for their end`,
      );
    await setStanding(tx, name, "retired", now);
    await setSuspended(tx, name, true);
  });
}

/**
 * How much of what is held on a node is issued, per mille; undefined: as much as of any other, by the agent's own factor.
 * Where less is to be issued than is already, that goes on as it is, and nothing new is issued until enough has ended.
 */
export async function overbookNode(office: Office, node: string, perMille?: number): Promise<void> {
  await office.act("overbook node", { node, overbooking: perMille ?? null }, async (tx) => {
    const name = await nodeNamed(tx, node);
    await lockStanding(tx, name);
    await setOverbooking(tx, name, perMille);
  });
}

async function nodeNamed(tx: Tx, name: string): Promise<KeyName> {
  const node = await nodeCalled(tx, name);
  if (!node) throw new OperatorError(`there is no node "${name}"`);
  return node;
}
