import type { HostName } from "#shared/wire/ganglia/host.ts";
import type { MetricId, RequestPacket } from "#shared/wire/ganglia/packet.ts";
import type { Target } from "#shared/wire/ganglia/target.ts";
import type { Teller } from "#shared/wire/ganglia/teller.ts";
import type { HostTable } from "./host-table.ts";

export type MetadataRequestsOptions = {
  readonly table: HostTable;
  readonly teller: Pick<Teller, "tell">;
  /** Who is asked, whoever sent the values: nobody can have this node write to a third. */
  readonly targets: readonly Target[];
  readonly uptime: () => number;
};

/** How many are asked about each second, whatever is sent here. */
const AT_ONCE = 100;
const EVERY_MILLISECONDS = 1000;

/**
 * Asks what metrics mean whose values came without that, as gmond does: of those this node announces to. A second after
 * the value, since metadata mostly come beside it, and about each metric once a minute at most.
 */
export class MetadataRequests implements AsyncDisposable {
  readonly #options: MetadataRequestsOptions;
  readonly #wanted = new Map<string, { readonly of: HostName; readonly id: MetricId }>();
  readonly #timer: NodeJS.Timeout;
  #asking: Promise<void> | undefined;
  #asked = 0;

  constructor(options: MetadataRequestsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#ask(), EVERY_MILLISECONDS);
  }

  /** How often something was asked. */
  get count(): number {
    return this.#asked;
  }

  /** A value of this metric has come. */
  heard(of: HostName, id: MetricId): void {
    const { table, targets, uptime } = this.#options;
    if (targets.length === 0 || this.#wanted.size >= AT_ONCE) return;
    if (table.isUnexplained(of, id.name, uptime()))
      this.#wanted.set(`${of.ip} ${of.name} ${id.name}`, { of, id });
  }

  #ask(): void {
    const { table, teller, targets, uptime } = this.#options;
    if (this.#wanted.size === 0 || this.#asking) return;
    const packets = [...this.#wanted.values()].flatMap(({ of, id }): RequestPacket[] => {
      return table.asks(of, id.name, uptime()) ? [{ kind: "request", id }] : [];
    });
    this.#wanted.clear();
    this.#asked += packets.length;
    this.#asking = teller
      .tell(targets, () => packets)
      .finally(() => {
        this.#asking = undefined;
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#asking;
  }
}
