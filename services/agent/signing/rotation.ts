import { lchown, link, lstat, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { createKeyFile } from "#shared/identity/key-file.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { syncDirectory } from "#shared/runtime/durable-file.ts";
import { lockFile } from "#shared/runtime/lock-file.ts";
import { isThere, loadTicketKey, type TicketKeyFiles } from "./ticket-keys.ts";

const LOCK_PATIENCE_MS = 10_000;

/**
 * Puts a new ticket key in the place of the current one, which becomes the one before. Both files are whole at every
 * moment, and doing it again after being killed goes on where it was. A running agent finds out by itself. Throws
 * OperatorError while the key before the current one is still there: more than two do not overlap.
 */
export async function rotateTicketKey({ current, previous }: TicketKeyFiles): Promise<SigningKey> {
  using _lock = await lockFile(`${current}.lock`, "the ticket key", LOCK_PATIENCE_MS);
  const present = await loadTicketKey(current);
  const before = (await isThere(previous)) ? await loadTicketKey(previous) : undefined;
  if (before && before.public.name !== present.public.name)
    throw new OperatorError(
      `the key before this one (${before.public.name.slice(0, 16)}…) is still needed; slicelab agent ticket-key list says for what and for how long`,
    );
  const next = `${current}.next`;
  const key = (await isThere(next))
    ? await loadTicketKey(next)
    : await createKeyFile(next, { type: "ed25519" });
  // Whoever runs this, the agent must be able to read it. Links aren't followed: the agent may write in this directory, and
  // whoever runs this may be root.
  const { uid, gid } = await lstat(current);
  await lchown(next, uid, gid);
  if (!before) await link(current, previous);
  await syncDirectory(dirname(previous));
  await rename(next, current);
  await syncDirectory(dirname(current));
  return key;
}
