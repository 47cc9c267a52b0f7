import type { Command } from "commander";
import { OperatorError } from "#shared/model/errors.ts";
import type { ServiceTerminal } from "#shared/runtime/command-line.ts";
import { withLineage } from "#shared/wire/document.ts";
import { lineagesBeginning } from "../store/holdings/held.ts";
import { type BooksOptions, onBooks, type WithBooks } from "./books.ts";
import { addGrantCommands } from "./grant.ts";

/** Commands about what this agent holds, and what it hands on of it. `list` is among the other lists. */
export function addHoldingCommands(parent: Command, withBooks: WithBooks, terminal: ServiceTerminal): void {
  const holding = parent
    .command("holding")
    .description("what this agent holds, and hands on to other agents");
  addGrantCommands(holding, withBooks, terminal);
  onBooks(holding.command("show").argument("<holding>", "as list shows it"))
    .description("print the signed document of a holding, with what stands above it")
    .action((id: string, options: BooksOptions) =>
      withBooks(options, async ({ database }) => {
        const [lineage, another] = await lineagesBeginning(database, id);
        if (!lineage) throw new OperatorError(`there is no holding ${id}; holding list shows them`);
        if (another) throw new OperatorError(`several holdings begin with ${id}; say more of it`);
        terminal.out(`${withLineage(lineage)}\n`);
      }),
    );
}
