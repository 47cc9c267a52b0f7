import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../structure/source.ts";

/** Commands of a guide that are typed on one machine, in their order. */
export type Block = { readonly host: string; readonly commands: readonly string[] };

/** `# on hub, as root`, or `# on ada's machine`: where the commands of a block are typed. */
const WHERE = /^# on ([a-z0-9]+)(?:'s machine)?(?:, as root)?$/;

/** How a guide writes what an earlier command printed. */
export const INVITATION = "slicelab1.eyJ1Ijoi…";

/**
 * The blocks of a guide that say where they are typed: what it has its readers do. A command goes on over lines that end
 * with \\ and over the text between << and its end.
 */
export async function blocksOf(guide: string): Promise<Block[]> {
  const text = await readFile(join(ROOT, "docs/guides", guide), "utf8");
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, body]) => body!.split("\n"));
  return blocks.flatMap(([first = "", ...lines]) => {
    const [, host] = WHERE.exec(first) ?? [];
    if (host === undefined && !first.startsWith("# on every machine")) return [];
    return [{ host: host ?? "every", commands: commandsIn(lines) }];
  });
}

function commandsIn(lines: readonly string[]): string[] {
  const commands: string[] = [];
  let open = "";
  for (const line of lines) {
    const whole = open ? `${open}\n${line}` : line;
    const text = /<<(\w+)/.exec(whole)?.[1];
    const isOpen = text ? !whole.endsWith(`\n${text}`) : whole.endsWith("\\");
    open = isOpen ? whole : "";
    if (!isOpen && whole.trim() !== "") commands.push(whole);
  }
  return commands;
}
