import { Fault, type FaultName } from "#shared/model/errors.ts";
import type { AcquisitionStruct } from "#shared/wire/broker-api.ts";
import { type CallFailure, isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { OpenRequest } from "../journal/slice-record.ts";
import type { BrokerConnection } from "../network/broker-connection.ts";
import { failureSentence } from "../terminal/failure.ts";
import { broughtTickets, type NamedAgent, type TicketTerms } from "./brokered-tickets.ts";
import { adoptTickets, crossOut, openInBook } from "./request-book.ts";
import { type Closing, closeRequest } from "./request-closing.ts";
import { type Asked, answeringAgents, signRequest } from "./request-signing.ts";
import type { Acquired, SourceParts, TicketSource, Wanted } from "./ticket-source.ts";

/** What a broker's refusal is passed on for: asking the agents ourselves would bring nothing else. */
const PASSED_ON: ReadonlySet<FaultName> = new Set([
  "NO_CAPACITY",
  "QUOTA",
  "NO_PRIVILEGE",
  "SUSPENDED",
  "BAD_NAME",
]);

/**
 * The broker that is configured, and where it does not do, the one embedded here. A broker is believed nothing: its
 * tickets are verified, and whatever it does not account for is settled with the agents themselves, by closing the
 * request, before anything else is asked for. Without a broker it settles what an earlier run left with one.
 */
export function brokeredSource(parts: SourceParts, embedded: TicketSource): TicketSource {
  return new BrokeredSource(parts, embedded);
}

class BrokeredSource implements TicketSource {
  readonly #parts: SourceParts;
  readonly #embedded: TicketSource;
  /** Absent where none is configured, and after it failed: it is tried once in a run. */
  #broker: BrokerConnection | undefined;

  constructor(parts: SourceParts, embedded: TicketSource) {
    this.#parts = parts;
    this.#embedded = embedded;
    this.#broker = parts.network.broker;
  }

  async settle(): Promise<CallFailure[]> {
    for (const request of this.#parts.journal.record.requests ?? []) await this.#settle(request);
    return await this.#embedded.settle();
  }

  async acquire(wanted: Wanted): Promise<Acquired> {
    const broker = this.#broker;
    if (!broker) return await this.#embedded.acquire(wanted);
    let asked: Asked;
    try {
      asked = await signRequest(this.#parts, broker, wanted);
    } catch (failure) {
      this.#passOver(failure);
      return await this.#embedded.acquire(wanted);
    }
    const { request, agents } = asked;
    await openInBook(
      this.#parts.journal,
      request,
      agents.flatMap(({ ticketKeys }) => ticketKeys),
    );
    try {
      return await this.#gather(broker, asked);
    } catch (failure) {
      this.#rethrowUnlessItsOwn(failure);
      return await this.#withoutBroker(asked, wanted, failure);
    }
  }

  /** Lets the broker act on a request, and keeps what it brings. Throws what the broker answered with instead. */
  async #gather(broker: BrokerConnection, { request, agents }: Asked): Promise<Acquired> {
    const { journal } = this.#parts;
    const answer = await broker.acquire(request);
    const brought = broughtTickets(answer, request, this.#terms(agents));
    const granted = await adoptTickets(journal, brought);
    if (brought.length === request.wanted + request.standby) {
      await crossOut(journal, request.id);
      return { granted, failures: [] };
    }
    // It may have got more than it says.
    const { found, failures } = await this.#close(request);
    const failure = shortOf(answer, granted + found, request.wanted);
    return { granted: granted + found, failures: [...(failure ? [failure] : []), ...failures.values()] };
  }

  /** After a broker failed: settles with the agents what it may have been granted, and gets the rest ourselves. */
  async #withoutBroker({ request }: Asked, wanted: Wanted, failure: CallFailure): Promise<Acquired> {
    const { found, failures } = await this.#close(request);
    const passedOn = isPassedOn(failure) && !(await this.#knowsMore());
    if (passedOn && found === 0) throw failure;
    if (!passedOn) this.#passOver(failure);
    const left = this.#leftOf(wanted, found);
    if (passedOn || left.wanted <= 0) return { granted: found, failures: [failure, ...failures.values()] };
    try {
      const more = await this.#embedded.acquire(left);
      return { granted: found + more.granted, failures: [...more.failures, ...failures.values()] };
    } catch (error) {
      if (found === 0 || !isCallFailure(error)) throw error;
      return { granted: found, failures: [error, ...failures.values()] };
    }
  }

  /** What an earlier run left: the broker goes on with it where it can, else it is closed. */
  async #settle(request: OpenRequest): Promise<void> {
    const broker = this.#broker;
    if (broker?.url === request.broker && request.validTo > this.#parts.now) {
      try {
        const own = await answeringAgents(this.#parts.network);
        const agents = own.filter(({ name }) => request.agents.includes(name));
        await this.#gather(broker, { request, agents });
        return;
      } catch (failure) {
        this.#rethrowUnlessItsOwn(failure);
        if (!isPassedOn(failure)) this.#passOver(failure);
      }
    }
    await this.#close(request);
  }

  async #close(request: OpenRequest): Promise<Closing> {
    const { journal, network, order, now } = this.#parts;
    const { description, resources } = order;
    const closing = await closeRequest(request, { journal, network, terms: { description, resources, now } });
    for (const [agent, failure] of closing.failures)
      this.#notice(
        `what the broker got from the agent ${agent.slice(0, 12)} will be settled later: ${failureSentence(failure)}`,
      );
    return closing;
  }

  /** Whether there is an agent that the broker does not ask. */
  async #knowsMore(): Promise<boolean> {
    const facts = await this.#broker?.facts();
    return (await answeringAgents(this.#parts.network)).some(({ identity }) => !facts?.agents.has(identity));
  }

  #terms(agents: readonly NamedAgent[]): TicketTerms {
    const { order, network, now } = this.#parts;
    const { description, resources } = order;
    return { description, resources, principal: network.principal, agents, now };
  }

  /** What is still wanted when so many tickets more are in the journal. */
  #leftOf(wanted: Wanted, found: number): Wanted {
    const { redeemable } = this.#parts.journal;
    const nodes = redeemable.map(({ ticket }) => ticket.node);
    return {
      ...wanted,
      wanted: wanted.wanted - found,
      atleast: Math.max(1, wanted.atleast - found),
      ruledOut: new Map([
        ...wanted.ruledOut,
        ...nodes.map((node) => [node, "has a ticket of the slice"] as const),
      ]),
      held: [...wanted.held, ...nodes.map((node) => ({ node }))],
    };
  }

  /** The broker is not asked again in this run. */
  #passOver(failure: unknown): void {
    this.#rethrowUnlessItsOwn(failure);
    const { url } = this.#broker!;
    this.#broker = undefined;
    this.#notice(`the broker ${url} is passed over, its work is done here: ${failureSentence(failure)}`);
  }

  /** What a broker or agent did, and neither a defect of ours nor the end of the whole command. */
  #rethrowUnlessItsOwn(failure: unknown): asserts failure is CallFailure {
    this.#parts.network.effort.signal.throwIfAborted();
    if (!isCallFailure(failure)) throw failure;
  }

  #notice(line: string): void {
    this.#parts.network.notice(line);
  }
}

function isPassedOn(failure: CallFailure): boolean {
  return failure instanceof Fault && PASSED_ON.has(failure.name);
}

/** Why there are fewer tickets than were wanted. */
function shortOf(
  { specification, refused }: AcquisitionStruct,
  granted: number,
  wanted: number,
): Fault | undefined {
  if (granted >= wanted) return undefined;
  const reasons = refused.slice(0, 3).map(({ reason }) => reason);
  const why = [specification?.explanation ?? "", ...reasons].filter((text) => text !== "").join("; ");
  return new Fault(
    "NO_CAPACITY",
    `the broker got ${granted} of ${wanted} tickets: ${why.slice(0, 2_000) || "no other node fits"}`,
  );
}
