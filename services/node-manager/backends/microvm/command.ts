import { constants } from "node:os";
import { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { Fault } from "#shared/model/errors.ts";
import type { Command, RunningCommand } from "../backend.ts";
import { isSize } from "../container/inside/oci-process.ts";
import type { Account } from "./account.ts";
import { description } from "./description.ts";
import { InwardFlow, OutwardFlow, UNREAD } from "./flow.ts";
import { FRAME, type Frame, MOST_PAYLOAD, word, words } from "./frames.ts";
import type { AgentLink } from "./link.ts";

/** How long a command may take to end when it was hung up on. */
const HANG_UP_MILLISECONDS = 2_000;
/** What a shell answers for a command that could not be started. */
const NOT_STARTED = 127;
const SIGNALLED = 128;
const KILLED = { code: SIGNALLED + constants.signals.SIGKILL, signal: "SIGKILL" };

type Outcome = { readonly code: number; readonly signal?: string };

/** Starts a command inside and returns once it runs. One that can't be started ends with 127. */
export async function startCommand(
  link: AgentLink,
  command: Command,
  account: Account,
): Promise<RunningCommand> {
  const running = new AgentCommand(link, command.terminal !== undefined);
  await running.start(description(command, account));
  const { stdin, stdout, stderr, exit } = running;
  return {
    ...{ stdin, stdout, stderr, exit },
    kill: (signal) => running.kill(signal),
    resize: (columns, rows) => running.resize(columns, rows),
  };
}

/** Starts a command that nobody listens to, and leaves it to itself. One that can't be started is none. */
export async function startDetached(link: AgentLink, command: Command, account: Account): Promise<void> {
  const running = new AgentCommand(link, false);
  await running.start(description(command, account, true));
  running.leave();
}

class AgentCommand {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exit: Promise<Outcome>;
  readonly #link: AgentLink;
  readonly #started = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<Outcome>();
  readonly #input: Input;
  readonly #outputs: readonly [Output, Output];
  #channel = 0;
  #over = false;

  constructor(link: AgentLink, onTerminal: boolean) {
    this.#link = link;
    this.#input = new Input((bytes) => this.#send(FRAME.input, bytes), !onTerminal);
    this.#outputs = [1, 2].map(
      (which) => new Output((bytes) => this.#send(FRAME.credit, words(which, bytes))),
    ) as [Output, Output];
    this.stdin = this.#input;
    [this.stdout, this.stderr] = this.#outputs;
    this.exit = this.#settle();
    this.exit.catch(() => undefined); // whoever waits for `exit` is told; nobody has to
  }

  async start(described: Buffer): Promise<void> {
    this.#channel = await this.#link.join({
      take: (frame) => this.#take(frame),
      lose: () => this.#end(KILLED),
    });
    for (let at = 0; at < described.length; at += MOST_PAYLOAD) {
      this.#send(FRAME.describe, described.subarray(at, at + MOST_PAYLOAD));
    }
    this.#send(FRAME.open);
    try {
      await this.#link.owed(this.#started.promise);
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  kill(signal: NodeJS.Signals = "SIGTERM"): void {
    if (this.#over) return;
    this.#send(FRAME.signal, words(constants.signals[signal]));
    if (signal !== "SIGHUP") return;
    // What ignores it may go on inside, as after any lost connection, but nobody keeps its outputs open for it.
    const leaving = setTimeout(() => this.leave(), HANG_UP_MILLISECONDS);
    this.#ended.promise.finally(() => clearTimeout(leaving));
  }

  leave(): void {
    this.#send(FRAME.leave);
    this.#end(KILLED);
  }

  resize(columns: number, rows: number): void {
    if (!this.#over && isSize(columns) && isSize(rows)) this.#send(FRAME.resize, words(columns, rows));
  }

  #send(type: number, payload?: Uint8Array): void {
    if (!this.#over) this.#link.send(type, this.#channel, payload);
  }

  #take({ type, payload }: Frame): void {
    if (type === FRAME.started) this.#started.resolve();
    else if (type === FRAME.output) this.#give(this.#outputs[0], payload);
    else if (type === FRAME.errors) this.#give(this.#outputs[1], payload);
    else if (type === FRAME.taken) this.#input.flow.allow(word(payload, 0));
    else if (type === FRAME.failed) this.#fail(word(payload, 0));
    else if (type === FRAME.ended) this.#end(outcomeOf(word(payload, 0), word(payload, 1)));
  }

  #give(output: Output, bytes: Buffer): void {
    if (!output.flow.give(bytes)) this.#link.close(); // no agent of ours does that
  }

  #fail(error: number): void {
    if (error === constants.errno.EAGAIN)
      this.#started.reject(
        new Fault("BACKEND_FAILED", "the sliver runs as much as it may; end some of it first"),
      );
    this.#end({ code: NOT_STARTED });
  }

  #end(outcome: Outcome): void {
    if (this.#over) return;
    this.#over = true;
    this.#link.leave(this.#channel);
    this.#started.resolve();
    this.#input.flow.abandon();
    for (const output of this.#outputs) output.flow.end();
    this.#ended.resolve(outcome);
  }

  async #settle(): Promise<Outcome> {
    const outcome = await this.#ended.promise;
    await Promise.all(this.#outputs.map((output) => finished(output)));
    return outcome;
  }
}

function outcomeOf(code: number, number: number): Outcome {
  if (number === 0) return { code: code & 255 };
  const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return { code: SIGNALLED + number, signal: name ?? `SIG${number}` };
}

class Output extends Readable {
  readonly flow: InwardFlow;

  constructor(allow: (bytes: number) => void) {
    super({ highWaterMark: UNREAD });
    this.flow = new InwardFlow(this, allow);
  }

  override _read(): void {
    this.flow.wanted();
  }
}

class Input extends Writable {
  readonly flow: OutwardFlow;
  readonly #hasEnd: boolean;

  constructor(send: (bytes: Buffer) => void, hasEnd: boolean) {
    super({ decodeStrings: true });
    this.flow = new OutwardFlow(send);
    this.#hasEnd = hasEnd;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.flow.write(chunk, done);
  }

  /** The end of the input is no end of a terminal: whoever types on it says so with a character. */
  override _final(done: () => void): void {
    if (this.#hasEnd) this.flow.end();
    done();
  }
}
