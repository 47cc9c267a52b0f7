import { type Command, InvalidArgumentError } from "commander";
import { drainNode, overbookNode, resumeNode, retireNode } from "../registry/standing.ts";
import { type BooksOptions, onBooks, type WithBooks } from "./books.ts";

const CALLED = "its name here, its address, or that of its key";

/** `drain`, `resume`, `retire` and `overbook` of `node`: what is given of it. */
export function addStanding(node: Command, withBooks: WithBooks): void {
  for (const [name, act, description] of [
    ["drain", drainNode, "issue nothing new for it; what there is goes on"],
    ["resume", resumeNode, "end draining, retirement or suspension"],
    ["retire", retireNode, "let it go for good, once nothing counts there"],
  ] as const) {
    onBooks(node.command(name).argument("<node>", CALLED).description(description)).action(
      (which: string, options: BooksOptions) => withBooks(options, ({ office }) => act(office, which)),
    );
  }
  onBooks(node.command("overbook").argument("<node>", CALLED))
    .argument("<factor>", "per mille, from 1000 (no more than is held) to 10000; or default", factor)
    .description("set how much of what is held there is issued; what is issued already goes on")
    .action((which: string, overbooking: number | "default", options: BooksOptions) =>
      withBooks(options, ({ office }) =>
        overbookNode(office, which, overbooking === "default" ? undefined : overbooking),
      ),
    );
}

function factor(text: string): number | "default" {
  if (text === "default") return text;
  if (/^[1-9][0-9]{3,4}$/.test(text) && Number(text) <= 10_000) return Number(text);
  throw new InvalidArgumentError("Give thousandths from 1000 to 10000, or default.");
}
