import { programFailure, runProgram } from "../machine/program.ts";
import type { AddressBlock } from "./address-block.ts";

const PURPOSE = "let the machine's own firewall forward";
/** What the chain says where nobody has given it any rule. */
const UNTOUCHED = "-P FORWARD ACCEPT";

type ChainList = {
  readonly nftables: readonly {
    readonly chain?: { family: string; table: string; name: string; hook?: string; policy?: string };
  }[];
};

/**
 * A machine whose own firewall forwards nothing (as Docker sets it up) forwards nothing for slivers either: what the
 * node's table accepts is still dropped there, so its chain must accept the slivers' links first. Their own table still
 * decides what reaches them.
 */
export class ForwardPolicy {
  readonly #links: string;
  /** The same, as nft writes it. */
  readonly #names: string;
  readonly #mark: string;

  /** `mark`: names the rules as this node's. */
  constructor(block: AddressBlock, mark: string) {
    this.#links = `${block.linkPrefix}+`;
    this.#names = `${block.linkPrefix}*`;
    this.#mark = mark;
  }

  async allow(): Promise<void> {
    const chain = await forwardChain();
    if (chain.every((rule) => rule === UNTOUCHED)) return;
    for (const end of ["-i", "-o"]) {
      if (chain.some((rule) => this.#isOurs(rule) && rule.includes(` ${end} `))) continue;
      const rule = [end, this.#links, "-m", "comment", "--comment", this.#mark, "-j", "ACCEPT"];
      await runProgram(PURPOSE, ["iptables", "-w", "-I", "FORWARD", ...rule]);
    }
  }

  /** What else forbids forwarding on this machine and can't be told not to, as a note for the node's owner. */
  async obstacle(): Promise<string | undefined> {
    const { nftables }: ChainList = JSON.parse(await runProgram(PURPOSE, ["nft", "-j", "list", "chains"]));
    const chains = nftables.flatMap(({ chain }) => (chain?.hook === "forward" ? [chain] : []));
    const closed = chains.find(({ policy, name }) => policy === "drop" && name !== "FORWARD");
    if (!closed) return undefined;
    const { family, table, name } = closed;
    return `the machine's firewall forwards nothing, so that slivers reach nobody: add rules to its chain "${family} ${table} ${name}" that accept iifname "${this.#names}" and oifname "${this.#names}"`;
  }

  async forget(): Promise<void> {
    for (const rule of (await forwardChain()).filter((candidate) => this.#isOurs(candidate))) {
      await runProgram(PURPOSE, ["iptables", "-w", "-D", ...rule.split(" ").slice(1)]);
    }
  }

  #isOurs(rule: string): boolean {
    return rule.startsWith("-A ") && rule.split(/[ "]/).includes(this.#mark);
  }
}

/** The rules as iptables writes them; none where there is no iptables, or none that could forbid anything. */
async function forwardChain(): Promise<string[]> {
  try {
    const rules = await runProgram(PURPOSE, ["iptables", "-w", "-S", "FORWARD"]);
    return rules.split("\n").filter((rule) => rule !== "");
  } catch (error) {
    if (programFailure(error) || isMissing(error)) return [];
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && (cause as NodeJS.ErrnoException).code === "ENOENT";
}
