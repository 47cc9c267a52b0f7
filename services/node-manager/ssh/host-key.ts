import { createNewFile } from "#shared/identity/new-file.ts";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { readIfPresent } from "#shared/runtime/durable-file.ts";

/**
 * The key by which clients recognise the node's ssh gateway, kept for ever: it stands in every lease. Made the first
 * time; one that is there and is none stops the start, since a new one would look like somebody in between.
 */
export async function loadHostKey(path: string): Promise<string> {
  const kept = await readIfPresent(path);
  if (kept) return checkedHostKey(path, kept.toString("utf8"));
  const { privateKey } = newSshKeyPair("slicelab node");
  await createNewFile(path, privateKey, 0o600);
  return privateKey;
}

function checkedHostKey(path: string, text: string): string {
  if (text.startsWith("-----BEGIN OPENSSH PRIVATE KEY-----\n")) return text;
  throw new OperatorError(
    `${path} is not an ssh host key; restore it, or move it away and tell the node's users`,
  );
}
