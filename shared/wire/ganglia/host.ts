import type { Metadata } from "./packet.ts";

/** Which host: two senders that say they are of one name are two hosts. */
export type HostName = { readonly ip: string; readonly name: string };

/** One metric of a host as a dump has it. */
export type DumpMetric = Metadata & {
  readonly name: string;
  readonly value: string;
  /** Seconds since its last value. */
  readonly tn: number;
};

/** One host of a dump, with the cluster it stands in. Everything here is what somebody said, never who may do what. */
export type DumpHost = {
  /** Absent where hosts stand outside any cluster. */
  readonly cluster?: string;
  readonly name: string;
  readonly ip: string;
  readonly location: string;
  readonly tags: string;
  /** When it was last heard, by the clock of whoever wrote the dump. */
  readonly reported: number;
  /** Seconds since then: no clocks need to agree for this. */
  readonly tn: number;
  readonly tmax: number;
  readonly dmax: number;
  /** When its monitor was started, by its own clock; 0 when not known. */
  readonly started: number;
  readonly metrics: readonly DumpMetric[];
};
