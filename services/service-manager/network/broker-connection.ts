import { setTimeout as pause } from "node:timers/promises";
import type { KeyName } from "#shared/identity/key.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import { Fault, faultName } from "#shared/model/errors.ts";
import type { SliceDescription } from "#shared/model/slice-description.ts";
import { type AcquisitionStruct, brokerApi, type SpecificationStruct } from "#shared/wire/broker-api.ts";
import { type SliceRequest, sealRequest } from "#shared/wire/request-document.ts";
import { writeSliceDescription } from "#shared/wire/slice-description.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { ForeignFault, TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { Service } from "../config.ts";
import type { OpenRequest } from "../journal/slice-record.ts";
import type { Effort } from "./fan-out.ts";

/** What a broker says of itself. */
export type BrokerFacts = {
  /** The name of its key: whom a request has to name. */
  readonly identity: KeyName;
  /** The agents it asks. */
  readonly agents: ReadonlySet<KeyName>;
};

/** A broker, called in the name of one principal. */
export type BrokerConnection = {
  readonly url: string;
  facts(): Promise<BrokerFacts>;
  /** Which nodes fit a description: nothing is asked for. */
  find(description: SliceDescription): Promise<SpecificationStruct>;
  seal(request: SliceRequest): string;
  /**
   * Lets the broker act on a request, or go on with it, and follows that to its end. Throws the fault it ended with;
   * TransportError also for a broker that has told nothing new for twice a deadline.
   */
  acquire(request: OpenRequest): Promise<AcquisitionStruct>;
};

/** Longest that one answer of the broker is held back for news, in seconds. */
const MOST_WAIT_SECONDS = 20;
/** Between two looks at a broker that does not hold its answers back, in milliseconds. */
const BETWEEN_LOOKS_MS = 200;

/** Calls the broker. Where its identity is configured, nobody else is spoken to at its address. */
export function brokerConnection(
  { url, identity, signingKey }: Service & { readonly signingKey: SigningKey },
  connections: Connections,
  { signal, deadlineMs, progress }: Effort,
): BrokerConnection {
  let peer: KeyName | undefined;
  const api = xmlRpcClient(brokerApi, {
    url,
    connections,
    expectedPeer: identity,
    onPeer: (key) => {
      peer = key.name;
    },
  });
  const wait_seconds = Math.max(1, Math.min(MOST_WAIT_SECONDS, Math.floor(deadlineMs / 2000)));
  const brief = { signal, timeoutMs: deadlineMs };
  const patient = { signal, timeoutMs: deadlineMs + wait_seconds * 1000 };
  let facts: Promise<BrokerFacts> | undefined;

  async function askFacts(): Promise<BrokerFacts> {
    const { broker, agents } = await api.getconfig({}, brief);
    if (broker !== peer) throw new TransportError("wrong-peer", `${url} says that it is another broker`);
    return { identity: broker, agents: new Set(agents.map((agent) => agent.identity)) };
  }

  async function follow(request: OpenRequest, first: AcquisitionStruct): Promise<AcquisitionStruct> {
    let [answer, told, toldAt] = [first, newsOf(first), performance.now()];
    for (;;) {
      refuseOther(url, answer, request);
      progress(`broker: ${answer.progress.slice(0, 100)}`, 0, 0, 0);
      if (answer.state !== "working") return answer;
      if (newsOf(answer) !== told) [told, toldAt] = [newsOf(answer), performance.now()];
      if (performance.now() - toldAt > 2 * deadlineMs)
        throw new TransportError("timeout", `the broker ${url} has told nothing new for a while`);
      await pause(BETWEEN_LOOKS_MS, undefined, { signal });
      answer = await api.getacquisition({ id: request.id, wait_seconds }, patient);
    }
  }

  return {
    url,
    facts() {
      facts ??= askFacts();
      return facts;
    },
    find: async (description) =>
      await api.findslice({ description: writeSliceDescription(withoutProgram(description)) }, brief),
    seal: (request) => sealRequest(request, signingKey),
    async acquire(request) {
      const { text, holds, avoid } = request;
      const first = await api.acquireslice({ request: text, holds, avoid, wait_seconds }, patient);
      const answer = await follow(request, first);
      if (answer.state === "failed") throw faultOf(url, answer);
      return answer;
    },
  };
}

function withoutProgram({ program: _, ...needs }: SliceDescription): SliceDescription {
  return needs;
}

/** What would be different in an acquisition that has come further. */
function newsOf({ state, progress, tickets, standby, refused }: AcquisitionStruct): string {
  return JSON.stringify([state, progress, tickets.length, standby.length, refused.length]);
}

function refuseOther(url: string, answer: AcquisitionStruct, request: OpenRequest): void {
  if (answer.id !== request.id)
    throw new TransportError(
      "malformed",
      `the broker ${url} told of another acquisition than it was asked about`,
    );
}

function faultOf(url: string, { fault }: AcquisitionStruct): Fault | ForeignFault | TransportError {
  if (!fault) return new TransportError("malformed", `the broker ${url} failed and does not say why`);
  const name = faultName(fault.code);
  const sentence = fault.sentence.slice(0, 2_000);
  return name ? new Fault(name, sentence) : new ForeignFault(fault.code, sentence);
}
