import assert from "node:assert/strict";
import { Fault, type FaultName } from "#shared/model/errors.ts";
import { eventually } from "#test/support/deadline.ts";
import type { NodeLab } from "./node-lab.ts";

/** The call is refused with this fault and a sentence that matches; nothing in the store changes but the audit. */
export async function assertRefused(
  lab: NodeLab,
  call: () => Promise<unknown>,
  name: FaultName,
  sentence = /./,
): Promise<void> {
  await toldEverything(lab);
  const before = lab.dump();
  const machines = await lab.backend.list();
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof Fault, `${error}`);
    assert.equal(error.name, name, error.message);
    assert.match(error.message, sentence);
    return true;
  });
  assert.equal(lab.dump(), before);
  assert.deepEqual(await lab.backend.list(), machines);
}

/** Waits until nothing is left to be told to the agent, so that the store stands still. */
export async function toldEverything(lab: NodeLab): Promise<void> {
  await lab.root();
  await eventually(() => lab.dump().includes("\noutbox: []\n"), { what: "the outbox being empty" });
}
