import type { Resources } from "#shared/model/resources.ts";

/** What an agent says about itself. */
export type AgentSelf = {
  /** 0 where there is none. */
  readonly ports: { readonly plain: number; readonly tls: number; readonly web: number };
  readonly maxLeaseSeconds: number;
  readonly defaultResources: Resources;
  readonly overbooking: number;
  readonly agent: string;
  readonly version: string;
};
