import type { Command } from "commander";
import { agentCommand } from "#services/agent/commands.ts";
import { authorityCommand } from "#services/authority/commands.ts";
import { brokerCommand } from "#services/broker/commands.ts";
import { nodeManagerCommand } from "#services/node-manager/commands.ts";
import { imageCommand } from "#services/node-manager/image-commands.ts";
import { ownerCommand } from "#services/node-manager/owner/owner-commands.ts";
import { monitorCommand } from "#services/resource-monitor/commands.ts";
import { administrationCommand } from "#services/service-manager/administration/command-line.ts";
import { sliceCommand } from "#services/service-manager/program.ts";
import { OperatorError } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import { doctorCommand } from "./doctor/commands.ts";

/** A program of ours as people call it, with its commands. */
export type Program = { readonly name: string; readonly command: Command };

/** Commands are looked at here and never run. */
const CLOCK: Clock = { now: () => 0, milliseconds: () => 0, uptime: () => 0 };
const HOME = "/home/user";

/** `slice`, and the parts of `slicelab` that are made of commands. */
export function programs(): readonly Program[] {
  const terminal = {
    ...{ out: async () => undefined, err: () => undefined, live: false, env: { HOME }, clock: CLOCK },
    ...{ now: () => 0, interrupted: new AbortController().signal },
  };
  const slice = sliceCommand({
    ...{ terminal, home: HOME, finish: () => undefined },
    openNetwork: async () => {
      throw new OperatorError("there is no network here");
    },
  });
  const parts = [
    administrationCommand(terminal),
    agentCommand(terminal),
    authorityCommand({ ...terminal, now: new Date(0) }),
    brokerCommand(terminal),
    doctorCommand(terminal),
    imageCommand(terminal),
    nodeManagerCommand(terminal),
    ownerCommand(terminal),
    monitorCommand(terminal),
  ];
  return [slice, ...parts].map((command) => ({ name: command.name(), command }));
}
