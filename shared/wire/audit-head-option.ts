import { InvalidArgumentError, Option } from "commander";
import { type ChainHead, parseHead } from "./audit-chain.ts";

/** `--head` of a command that verifies an audit: a head as the command `printedBy` prints it. */
export function headOption(printedBy: string): Option {
  const read = (text: string): ChainHead => {
    const head = parseHead(text);
    if (!head) throw new InvalidArgumentError(`Give a head as ${printedBy} prints it.`);
    return head;
  };
  const what = "and that it goes on from this head, which was noted before";
  return new Option("--head <position:hash>", what).argParser(read);
}
