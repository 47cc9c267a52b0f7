import { lstat } from "node:fs/promises";
import type { KeyName } from "#shared/identity/key.ts";
import { createKeyFile, loadKeyFile } from "#shared/identity/key-file.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import { OperatorError } from "#shared/model/errors.ts";

/** The keys that nodes give holdings to, and that sign what is split from them. */
export type TicketKeys = {
  /** The one that nodes are told to give their next holdings to. */
  readonly current: SigningKey;
  readonly all: readonly SigningKey[];
  /** Throws OperatorError for a key that was taken away while something still needs it. */
  named(name: KeyName): SigningKey;
};

/**
 * Loads the ticket keys, making the current one the first time. `previous` is the one it takes over from: kept until
 * the last holding given to it has ended.
 */
export async function openTicketKeys(current: string, previous?: string): Promise<TicketKeys> {
  const key = (await isThere(current))
    ? await loadKeyFile(current)
    : await createKeyFile(current, { type: "ed25519" });
  return ticketKeys([key, ...(previous === undefined ? [] : [await loadKeyFile(previous)])]);
}

/** `keys`: the current one first. */
function ticketKeys(keys: readonly SigningKey[]): TicketKeys {
  for (const { public: key } of keys) {
    if (key.algorithm !== "ed25519")
      throw new OperatorError(`the ticket key ${key.name} is not an Ed25519 key`);
  }
  const byName = new Map(keys.map((key) => [key.public.name, key]));
  return {
    current: keys[0]!,
    all: keys,
    named(name) {
      const key = byName.get(name);
      if (key) return key;
      throw new OperatorError(
        `the ticket key ${name} is needed and not configured; name its file as previous_ticket_key`,
      );
    },
  };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
