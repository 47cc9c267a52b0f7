import { open, readFile } from "node:fs/promises";
import { z } from "zod";
import { OperatorError } from "#shared/model/errors.ts";

const keyName = z.string().regex(/^[0-9a-f]{64}$/);

/** A certificate as the authority remembers it. Times are ISO 8601 in UTC. */
export const issuedRecord = z.strictObject({
  serial: z.string().regex(/^[0-9a-f]{2,40}$/),
  key: keyName,
  name: z.string(),
  kind: z.enum(["client", "server"]),
  addresses: z.array(z.string()),
  notBefore: z.iso.datetime(),
  notAfter: z.iso.datetime(),
  /** The registrar that asked for it; absent: the operator did. */
  by: keyName.optional(),
  /** The call it answered, and what it was answered with: asked again, it is answered the same. */
  answered: z
    .strictObject({
      method: z.string(),
      requestId: z.string(),
      argumentsHash: z.string(),
      certificate: z.string(),
    })
    .optional(),
});
export type IssuedRecord = z.infer<typeof issuedRecord>;

/** A key that is never to be believed or certified again. */
export const revokedRecord = z.strictObject({ key: keyName, revokedAt: z.iso.datetime() });
export type RevokedRecord = z.infer<typeof revokedRecord>;

/**
 * An append-only file of one JSON object a line. A missing or unreadable register is refused, never taken for an
 * empty one: that would bring revoked keys back.
 */
export class Register<T> {
  readonly #path: string;
  readonly #record: z.ZodType<T>;

  constructor(path: string, record: z.ZodType<T>) {
    this.#path = path;
    this.#record = record;
  }

  /** Every record whose writing was acknowledged, oldest first. */
  async read(): Promise<T[]> {
    const lines = (await this.#wholeLines()).split("\n").slice(0, -1);
    return lines.map((line, index) => this.#parse(line, index + 1));
  }

  /** Adds a record; when it returns, the record is on the disk. Callers exclude each other by a lock. */
  async append(record: T): Promise<void> {
    const end = Buffer.byteLength(await this.#wholeLines());
    await using file = await open(this.#path, "r+");
    await file.truncate(end);
    await file.write(`${JSON.stringify(record)}\n`, end);
    await file.sync();
  }

  /** The text up to its last line end: what follows was cut short by a power cut and never acknowledged. */
  async #wholeLines(): Promise<string> {
    try {
      const text = await readFile(this.#path, "utf8");
      return text.slice(0, text.lastIndexOf("\n") + 1);
    } catch (cause) {
      throw new OperatorError(
        `the register ${this.#path} cannot be read; restore it before issuing anything`,
        { cause },
      );
    }
  }

  #parse(line: string, number: number): T {
    try {
      return this.#record.parse(JSON.parse(line));
    } catch (cause) {
      throw new OperatorError(`line ${number} of ${this.#path} is not a record; restore the register`, {
        cause,
      });
    }
  }
}
