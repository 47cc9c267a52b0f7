import type { Lease } from "#shared/model/lease.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { type Effort, type Outcome, onEach } from "../network/fan-out.ts";
import { openGateway } from "./gateway.ts";

/** What a command did in one sliver. */
export type Execution = { readonly code: number };

/** Where a sliver's output goes, as it comes. */
export type OutputSink = {
  stdout(lease: Lease, chunk: Buffer): void | Promise<void>;
  stderr(lease: Lease, chunk: Buffer): void | Promise<void>;
  /** The sliver says nothing more. */
  end(lease: Lease): void | Promise<void>;
};

/**
 * Runs a command in many slivers at once, over the ssh gateways of their nodes. The deadline is for getting in: how
 * long the command takes is its own affair.
 */
export async function execute(
  leases: readonly Lease[],
  command: string,
  privateKey: string,
  sink: OutputSink,
  effort: Effort,
): Promise<Outcome<Lease, Execution>[]> {
  return await onEach(
    "running",
    leases,
    async (lease) => {
      using gateway = await openGateway(lease.ssh, privateKey, effort);
      try {
        const code = await gateway.run({
          command,
          stdout: (chunk) => sink.stdout(lease, chunk),
          stderr: (chunk) => sink.stderr(lease, chunk),
        });
        return { code };
      } finally {
        await sink.end(lease);
      }
    },
    effort,
  );
}

/** Output passed on line by line, each with the name of its node, so that lines of several nodes don't mix. */
export class PrefixedLines implements OutputSink {
  readonly #out: (text: string) => Promise<void>;
  readonly #err: (text: string) => void;
  readonly #prefixes: ReadonlyMap<string, string>;
  /** What came after the last newline, by node and stream. */
  readonly #rests = new Map<string, Buffer>();

  /** `prefixes`: by node. */
  constructor(
    prefixes: ReadonlyMap<string, string>,
    { out, err }: { out: (text: string) => Promise<void>; err: (text: string) => void },
  ) {
    this.#prefixes = prefixes;
    this.#out = out;
    this.#err = err;
  }

  async stdout(lease: Lease, chunk: Buffer): Promise<void> {
    await this.#pass(`${lease.node} out`, lease, chunk, this.#out);
  }

  async stderr(lease: Lease, chunk: Buffer): Promise<void> {
    await this.#pass(`${lease.node} err`, lease, chunk, this.#err);
  }

  async end(lease: Lease): Promise<void> {
    await this.#flush(`${lease.node} out`, lease, this.#out);
    await this.#flush(`${lease.node} err`, lease, this.#err);
  }

  async #pass(key: string, lease: Lease, chunk: Buffer, write: (text: string) => unknown): Promise<void> {
    const text = Buffer.concat([this.#rests.get(key) ?? Buffer.alloc(0), chunk]);
    const whole = text.lastIndexOf("\n") + 1;
    this.#rests.set(key, text.subarray(whole));
    const lines = text.subarray(0, whole).toString("utf8").split("\n").slice(0, -1);
    if (lines.length > 0) await write(lines.map((line) => this.#line(lease, line)).join(""));
    if (text.length - whole > LONGEST_LINE) await this.#flush(key, lease, write);
  }

  async #flush(key: string, lease: Lease, write: (text: string) => unknown): Promise<void> {
    const rest = this.#rests.get(key);
    this.#rests.delete(key);
    if (rest && rest.length > 0) await write(this.#line(lease, rest.toString("utf8")));
  }

  #line(lease: Lease, line: string): string {
    return `${this.#prefixes.get(lease.node) ?? lease.ip}${line}\n`;
  }
}

/** A line that is longer is broken, so that a sliver cannot fill our memory. */
const LONGEST_LINE = 64 * 1024;

/** Output kept until the command has ended everywhere. */
export class CollectedOutput implements OutputSink {
  readonly #chunks = new Map<string, { out: Buffer[]; err: Buffer[]; bytes: number }>();

  stdout(lease: Lease, chunk: Buffer): void {
    this.#keep(lease, chunk).out.push(chunk);
  }

  stderr(lease: Lease, chunk: Buffer): void {
    this.#keep(lease, chunk).err.push(chunk);
  }

  end(): void {}

  of(lease: Lease): { stdout: string; stderr: string } {
    const { out, err } = this.#chunks.get(lease.node) ?? { out: [], err: [] };
    return { stdout: Buffer.concat(out).toString("utf8"), stderr: Buffer.concat(err).toString("utf8") };
  }

  #keep(lease: Lease, chunk: Buffer) {
    const kept = this.#chunks.get(lease.node) ?? { out: [], err: [], bytes: 0 };
    this.#chunks.set(lease.node, kept);
    kept.bytes += chunk.length;
    if (kept.bytes > MOST_OUTPUT) {
      const sentence = `${lease.ip} printed more than ${MOST_OUTPUT} bytes; leave -o out, and it is passed on as it comes`;
      throw new TransportError("too-large", sentence);
    }
    return kept;
  }
}

const MOST_OUTPUT = 16 * 1024 * 1024;
