import { isIP } from "node:net";
import { refuseUnless } from "#shared/model/errors.ts";
import type { EngineName } from "#shared/model/ticket.ts";
import { formatInstant, parseInstant } from "#shared/model/time.ts";
import type { SliverId } from "../backends/backend.ts";
import type { NodeTime } from "../node-time.ts";
import type { FlowRecords, RecordedFlow } from "../store/flow-records.ts";
import { portsOf } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";
import { untoldOf } from "./untold.ts";

export type WhoDeps = {
  readonly store: Pick<Store, "leases">;
  readonly time: Pick<NodeTime, "now">;
  readonly flows: {
    readonly records: Pick<FlowRecords, "find" | "countedIn" | "wasWatched">;
    /** Has written what was seen so far. */
    flush(): void;
    /** Slivers whose flows are told apart. */
    told(): ReadonlySet<SliverId>;
    /** Engines in whose slivers nothing runs. */
    simulating(): ReadonlySet<EngineName>;
  };
};

export type WhoQuestion = {
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  /** Now unless given. */
  readonly time?: string;
  readonly within_seconds: number;
  readonly remote?: string;
};

/**
 * Which slice sent or received that flow: by the port of the node's address that a complaint names. Says as well what it
 * can't know, so that nobody is accused, or cleared, by a gap. MALFORMED for a remote that is no address.
 */
export function whoHad({ store, time, flows }: WhoDeps, question: WhoQuestion) {
  const { protocol, port, within_seconds: within, remote } = question;
  refuseUnless(remote === undefined || isIP(remote) !== 0, "MALFORMED", `"${remote}" is not an IP address`);
  flows.flush();
  const now = time.now();
  const at = question.time === undefined ? now : parseInstant(question.time);
  const during = { from: at - within, until: at + within };
  const told = flows.told();
  const leases = store.leases.all();
  const has = leases.filter((lease) =>
    portsOf(lease).some((range) => range.protocol === protocol && range.from <= port && port <= range.to),
  );
  return {
    flows: flows.records.find({ protocol, port, remote, ...during }).map(flowStruct),
    counted: flows.records
      .countedIn(during)
      .map(({ minute, ...rest }) => ({ ...rest, minute: formatInstant(minute) })),
    leased: has.map(({ slice }) => slice),
    watched: flows.records.wasWatched(during, now),
    untold: untoldOf(leases, told, flows.simulating()),
  };
}

function flowStruct({ remotePort, began, ended, ...rest }: RecordedFlow) {
  return {
    ...rest,
    remote_port: remotePort,
    began: formatInstant(began),
    ...(ended !== undefined && { ended: formatInstant(ended) }),
  };
}
