import type { NetworkUsage, Traffic } from "../backend.ts";
import { runProgram } from "../machine/program.ts";
import type { AddressBlock } from "./address-block.ts";
import { links } from "./links.ts";

/** How long one look at the counters is good for: asking for a whole node's usage reads them once. */
const FRESH_MILLISECONDS = 1000;
const NONE: Traffic = { bytes: 0, packets: 0 };

type CountedSet = {
  readonly nftables: readonly { readonly set?: { readonly elem?: readonly CountedElement[] } }[];
};
type CountedElement = { readonly elem: { readonly val: string; readonly counter: Traffic } };

/** What the slivers of a node send and receive, from the kernel's own counters. */
export class TrafficCounters {
  readonly #block: AddressBlock;
  readonly #table: string;
  #alarms: { readonly at: number; readonly read: Promise<Map<string, Traffic>> } | undefined;

  constructor(block: AddressBlock, table: string) {
    this.#block = block;
    this.#table = table;
  }

  /** `index`: of a connected sliver. Alarming packets are those it tried to send, whether they got through or not. */
  async of(index: number): Promise<NetworkUsage> {
    const [counted, alarms] = await Promise.all([links(), this.#alarmsNow()]);
    const link = counted.get(this.#block.link(index));
    // What the node's end of the link receives is what the sliver sent.
    return {
      sent: link?.received ?? NONE,
      received: link?.sent ?? NONE,
      alarming: alarms.get(this.#block.address(index)) ?? NONE,
    };
  }

  #alarmsNow(): Promise<Map<string, Traffic>> {
    const now = performance.now();
    if (!this.#alarms || now - this.#alarms.at > FRESH_MILLISECONDS)
      this.#alarms = { at: now, read: this.#readAlarms() };
    return this.#alarms.read;
  }

  async #readAlarms(): Promise<Map<string, Traffic>> {
    const argv = ["nft", "-j", "list", "set", "inet", this.#table, "alarming"] as const;
    const { nftables }: CountedSet = JSON.parse(await runProgram("count alarming packets", argv));
    const elements = nftables.flatMap(({ set }) => set?.elem ?? []);
    return new Map(
      elements.map(({ elem: { val, counter } }) => [val, { bytes: counter.bytes, packets: counter.packets }]),
    );
  }
}
