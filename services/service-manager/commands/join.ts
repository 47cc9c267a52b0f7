import type { Command } from "commander";
import { EXIT } from "../terminal/exit-code.ts";
import { type CommonOptions, invoke, type Tools, withCommonOptions } from "./invocation.ts";

type JoinOptions = CommonOptions & { readonly name?: string; readonly note?: string };

export function addJoin(parent: Command, tools: Tools): void {
  withCommonOptions(parent.command("join"))
    .summary("enrol at an agent, with an invitation of its administrator")
    .description(
      "Makes your key here, has it certified, and writes config.toml. Without somebody who approves it waits; it may be ended and run again.",
    )
    .argument("<invitation>", "the word an administrator gave you")
    .option("--name <name>", "what you would like to be called")
    .option("--note <text>", "for the administrator who decides")
    .action(async (invitation: string, { name, note, ...options }: JoinOptions) => {
      await invoke(tools, options, async ({ home, effort: { signal }, say }) => {
        const { joinHome } = await import("../joining.ts");
        const { waitingText } = await import("#shared/wire/joining.ts");
        const { url, had, notice } = await joinHome({
          ...{ home, invitation, name, note, signal },
          onWaiting: (enrolment) => say(waitingText(enrolment)),
        });
        if (notice) say(notice);
        say(`joined: ${home} is yours, for the agent at ${url}; see what there is with: slice node list`);
        if (had) say(`its key was certified before; for another key move ${had} away and run this again`);
        return EXIT.ok;
      });
    });
}
