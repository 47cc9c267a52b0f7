/** How many packets are looked at each second. */
export type RateLimits = { readonly all: number; readonly ofSender: number };

/**
 * Counts packets by the second, so that a flood costs no more than their arrival. It remembers at most as many senders
 * as packets were admitted within the second.
 */
export class PacketRate {
  readonly #limits: RateLimits;
  readonly #senders = new Map<string, number>();
  #second = 0;
  #count = 0;

  constructor(limits: RateLimits) {
    this.#limits = limits;
  }

  /** Whether one more packet of this sender is looked at now. */
  admits(sender: string, uptimeMs: number): boolean {
    const second = Math.floor(uptimeMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#count = 0;
      this.#senders.clear();
    }
    const sent = this.#senders.get(sender) ?? 0;
    if (this.#count >= this.#limits.all || sent >= this.#limits.ofSender) return false;
    this.#count += 1;
    this.#senders.set(sender, sent + 1);
    return true;
  }
}
