import { lstat } from "node:fs/promises";
import { format, parse } from "node:path";
import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import { createKeyFile, loadKeyFile } from "#shared/identity/key-file.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import { OperatorError } from "#shared/model/errors.ts";

/** Where the ticket key is, and the one it took over from, for as long as there is one. */
export type TicketKeyFiles = { readonly current: string; readonly previous: string };

/** The files of an agent's configuration; without its word the earlier key is beside the current: `ticket-before.key`. */
export function ticketKeyFiles(
  current: string,
  previous: string = format({ ...parse(current), base: "", name: `${parse(current).name}-before` }),
): TicketKeyFiles {
  return { current, previous };
}

/** Called with keys before anything is done with them. */
type Admission = (keys: readonly PublicKey[]) => Promise<void>;

/**
 * The keys that nodes give holdings to, and that sign what is split from them: the current one, and while something
 * stands on it the one before. They are those of their files, and change when these do.
 */
export class TicketKeys {
  readonly #files: TicketKeyFiles;
  #keys: readonly SigningKey[];
  #admission: Admission = async () => undefined;

  /** `openTicketKeys` makes it. */
  constructor(files: TicketKeyFiles, keys: readonly SigningKey[]) {
    this.#files = files;
    this.#keys = keys;
  }

  /** The one that nodes are told to give their next holdings to. */
  get current(): SigningKey {
    return this.#keys[0]!;
  }

  /** The current one first. */
  get all(): readonly SigningKey[] {
    return this.#keys;
  }

  has(name: KeyName): boolean {
    return this.#keys.some((key) => key.public.name === name);
  }

  /** Throws OperatorError for a key that was taken away while something still needs it. */
  named(name: KeyName): SigningKey {
    const key = this.#keys.find((one) => one.public.name === name);
    if (key) return key;
    throw new OperatorError(
      `the ticket key ${name} is needed and not there; put it back as ${this.#files.previous} (previous_ticket_key)`,
    );
  }

  /** Has `admission` called with all keys now, and with others before they are used. */
  async admitWith(admission: Admission): Promise<void> {
    await admission(this.#keys.map((key) => key.public));
    this.#admission = admission;
  }

  /** Looks into the files again. Throws OperatorError, and goes on with the keys it had, where they can't be used. */
  async refresh(): Promise<void> {
    const keys = await readKeys(this.#files);
    const names = (some: readonly SigningKey[]) => some.map((key) => key.public.name).join();
    if (names(keys) === names(this.#keys)) return;
    await this.#admission(keys.map((key) => key.public));
    this.#keys = keys;
  }
}

/** Loads the ticket keys, making the current one the first time. Throws OperatorError. */
export async function openTicketKeys(current: string, previous?: string): Promise<TicketKeys> {
  const files = ticketKeyFiles(current, previous);
  if (!(await isThere(current))) await createKeyFile(current, { type: "ed25519" });
  return new TicketKeys(files, await readKeys(files));
}

/** While one takes over from the other, both files hold the same key for a moment. */
async function readKeys({ current, previous }: TicketKeyFiles): Promise<SigningKey[]> {
  const key = await loadTicketKey(current);
  if (!(await isThere(previous))) return [key];
  const before = await loadTicketKey(previous);
  return before.public.name === key.public.name ? [key] : [key, before];
}

/** Throws OperatorError for anything but an Ed25519 key. */
export async function loadTicketKey(path: string): Promise<SigningKey> {
  const key = await loadKeyFile(path);
  if (key.public.algorithm !== "ed25519")
    throw new OperatorError(`the ticket key ${key.public.name} is not an Ed25519 key`);
  return key;
}

export async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
