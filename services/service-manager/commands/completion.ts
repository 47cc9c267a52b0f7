import { readFile } from "node:fs/promises";
import { Argument, type Command } from "commander";
import type { Tools } from "./invocation.ts";

/** The scripts, as `npm run packaging` makes them from all commands. */
const SCRIPTS = {
  bash: new URL("../../../packaging/completions/slicelab.bash", import.meta.url),
  zsh: new URL("../../../packaging/completions/_slicelab", import.meta.url),
  fish: new URL("../../../packaging/completions/slicelab.fish", import.meta.url),
} as const;
type Shell = keyof typeof SCRIPTS;

const AFTER = `
  bash   source <(slice completion bash)          in ~/.bashrc
  zsh    source <(slice completion zsh)           in ~/.zshrc, after compinit
  fish   slice completion fish | source           in ~/.config/fish/config.fish

Slices and their nodes are completed from what is kept here; nobody is asked.`;

/** `completion`: what makes a shell complete the words of `slice` and `slicelab`, and what its scripts ask. */
export function addCompletion(parent: Command, tools: Tools): void {
  const completion = parent
    .command("completion")
    .summary("make a shell complete slice and slicelab")
    .description("Prints a script that makes a shell complete the words of slice and slicelab.")
    .addHelpText("after", AFTER);
  for (const shell of Object.keys(SCRIPTS) as Shell[]) {
    completion
      .command(shell)
      .description(`print the script for ${shell}`)
      .action(async () => {
        await tools.terminal.out(await readFile(SCRIPTS[shell], "utf8"));
      });
  }
  completion
    .command("words", { hidden: true })
    .description("print the names of your slices, or the addresses of one's nodes")
    .addArgument(new Argument("<what>", "of which kind").choices(["slices", "nodes"]))
    .argument("[slice]", "whose nodes")
    .action(async (what: "slices" | "nodes", slice: string | undefined) => {
      const { readSlice, sliceNames } = await import("../journal/slice-state.ts");
      const names = await sliceNames(tools.home);
      if (what === "slices") return await tools.terminal.out(linesOf(names));
      const state =
        slice !== undefined && names.includes(slice) ? await readSlice(tools.home, slice) : undefined;
      const addresses = [...(state?.leases.values() ?? [])].map(({ lease }) => lease.ip);
      await tools.terminal.out(linesOf(addresses));
    });
}

function linesOf(words: readonly string[]): string {
  return words.map((word) => `${word}\n`).join("");
}
