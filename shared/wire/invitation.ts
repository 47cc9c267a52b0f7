import { createHash, randomBytes } from "node:crypto";
import { z } from "zod";
import type { KeyName, PublicKey } from "../identity/key.ts";
import { type SigningKey, signBytes, verifyBytes } from "../identity/signature.ts";
import { Fault } from "../model/errors.ts";

/**
 * What an administrator hands a newcomer, as one word: where the agent is, the SHA-256 of the keys of all authorities
 * that the newcomer is to believe, by which it knows that it speaks to that very agent, and the secret by which the
 * agent knows the newcomer. Without a secret it is for anybody, and only says where to ask.
 */
export type Invitation = {
  readonly url: string;
  /** At least one. */
  readonly authorities: readonly KeyName[];
  /** 32 hex digits. */
  readonly secret?: string;
};

const PREFIX = "slicelab1.";
const MAX_CHARACTERS = 4096;

/** More than ever take over from each other at a time. */
const MAX_AUTHORITIES = 16;

const keyName = z.string().regex(/^[0-9a-f]{64}$/);

const written = z.strictObject({
  u: z.url({ protocol: /^https$/ }).max(1024),
  a: z.union([keyName, z.array(keyName).min(1).max(MAX_AUTHORITIES)]),
  s: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional(),
});

/** A secret that nobody guesses. */
export function newInvitationSecret(): string {
  return randomBytes(16).toString("hex");
}

/** What an agent knows of a secret: its SHA-256, in hex. */
export function secretHash(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

export function writeInvitation({ url, authorities, secret }: Invitation): string {
  const a = authorities.length === 1 ? authorities[0] : authorities;
  const json = JSON.stringify({ u: url, a, ...(secret !== undefined && { s: secret }) });
  return `${PREFIX}${Buffer.from(json).toString("base64url")}`;
}

/** Reads an invitation as somebody pasted it. Throws MALFORMED. */
export function readInvitation(text: string): Invitation {
  const word = text.replace(/\s+/g, "");
  const isOne = word.startsWith(PREFIX) && word.length <= MAX_CHARACTERS;
  const outcome = isOne ? written.safeParse(json(word)) : undefined;
  if (!outcome?.success)
    throw new Fault(
      "MALFORMED",
      `this is not an invitation; it is one word that begins with ${PREFIX}: copy all of it`,
    );
  const { u: url, a, s: secret } = outcome.data;
  return { url, authorities: typeof a === "string" ? [a] : a, ...(secret !== undefined && { secret }) };
}

function json(word: string): unknown {
  try {
    return JSON.parse(Buffer.from(word.slice(PREFIX.length), "base64url").toString("utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * What a newcomer signs to have its enrolment told to nobody else: a statement about this enrolment at this agent that
 * means nothing anywhere else.
 */
function statement(enrolment: string, agent: KeyName): Buffer {
  return Buffer.from(`slicelab enrolment ${enrolment} at ${agent}\n`);
}

/** In base64. */
export function proveEnrolment(key: SigningKey, enrolment: string, agent: KeyName): string {
  return signBytes(key, statement(enrolment, agent)).toString("base64");
}

export function isEnrolmentProof(key: PublicKey, enrolment: string, agent: KeyName, proof: string): boolean {
  return verifyBytes(key, statement(enrolment, agent), Buffer.from(proof, "base64"));
}
