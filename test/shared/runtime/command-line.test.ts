import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { commandOf, runCommandLine } from "#shared/runtime/command-line.ts";

for (const [what, error] of [
  ["fault", new Fault("BUSY", "\u009b2J\u001b]0;root\u0007 and \u202egood")],
  ["sentence for an operator", new OperatorError("the other agent: \u009b2J\u001b]0;root\u0007\u202egood")],
] as const) {
  test(`a ${what} that a stranger's words stand in cannot steer an operator's terminal`, async () => {
    let told = "";
    const terminal = {
      out: () => undefined,
      err: (text: string) => {
        told += text;
      },
    };
    const command = commandOf("agent", "an agent", terminal).action(() => {
      throw error;
    });
    assert.equal(await runCommandLine(command, [], terminal), 1);
    assert.match(told, /good\n$/);
    assert.doesNotMatch(told.slice(0, -1), /[\p{Cc}\u202e]/u);
  });
}
