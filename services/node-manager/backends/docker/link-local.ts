import { Fault } from "#shared/model/errors.ts";
import { runProgram } from "../machine/program.ts";

/**
 * Keeps a node's slivers from link-local addresses, where clouds answer to whoever asks with the machine's own
 * credentials: Docker's rules let everything out. The rules are in the node manager's network, which is the daemon's.
 */
export class LinkLocalGuard {
  readonly #table: string;
  readonly #bridge: string;
  #set = false;

  /** `bridge`: the node's, by which its slivers' packets come. */
  constructor(node: string, bridge: string) {
    this.#table = `slicelab_docker_${node}`;
    this.#bridge = bridge;
  }

  /** Why it can't be kept here, as a sentence for whoever runs the node, if that is so. */
  static async lack(): Promise<string | undefined> {
    try {
      await runProgram("look at the packet filter", ["nft", "list", "tables"]);
      return undefined;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return "docker slivers reach link-local addresses, a cloud's credentials too, since nft does not work here";
    }
  }

  async set(): Promise<void> {
    if (this.#set) return;
    const input = `${this.#without}
table inet ${this.#table} {
  chain forwarded {
    type filter hook forward priority filter - 1; policy accept;
    iifname "${this.#bridge}" ip daddr 169.254.0.0/16 drop
  }
}
`;
    await runProgram("keep its slivers from link-local addresses", ["nft", "-f", "-"], { input });
    this.#set = true;
  }

  async drop(): Promise<void> {
    this.#set = false;
    await runProgram("drop its rules", ["nft", "-f", "-"], { input: this.#without });
  }

  /** After this there is no such table, whether there was or not. */
  get #without(): string {
    return `table inet ${this.#table}\ndelete table inet ${this.#table}\n`;
  }
}
