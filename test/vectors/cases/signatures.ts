import { signBytes } from "#shared/identity/signature.ts";
import type { FaultName } from "#shared/model/errors.ts";
import { writeTicket } from "#shared/wire/ticket-document.ts";
import { chainOf, KEYS, rootTicket, sealBody } from "#test/support/documents.ts";
import { edited, type Vector } from "../vector.ts";

/** Signatures: how base64 writes them, which algorithm and key made them, and over which bytes (WIRE.md §1). */

const leaf = chainOf(3).leaf.text;
const [signatureLine = "", keyLine = "", rootLine = ""] = leaf.split("\n");
const body = leaf.slice(leaf.indexOf("\n\n") + 2);
const signature = signatureLine.slice("sig-ed25519-base64: ".length);
const given = { key: "branch" };

export function signatureVectors(): Vector[] {
  return [...base64(), ...signatures()];
}

/** Each of these decodes, with a lenient decoder, to the signature that is right. */
function base64(): Vector[] {
  const spareBits = `${signature.slice(0, -3)}${nextInAlphabet(signature.at(-3)!)}==`;
  const changed: [string, string, string][] = [
    ["base64-no-padding", signature.slice(0, -2), "the padding left out"],
    ["base64-more-padding", `${signature}=`, "more padding than there is"],
    ["base64-spare-bits", spareBits, "bits set that no byte uses"],
    ["base64-url-alphabet", urlAlphabet(signature), "the alphabet of URLs"],
    ["base64-white-space", `${signature.slice(0, 40)} ${signature.slice(40)}`, "a space inside"],
    ["base64-inner-padding", `${signature.slice(0, 4)}==${signature.slice(4)}`, "padding inside"],
    ["base64-junk", `${signature.slice(0, 40)}*${signature.slice(40)}`, "a character of no alphabet"],
    ["base64-empty", "", "no signature"],
  ];
  const parent = rootLine.slice("parent-base64: ".length);
  return [
    ...changed.map(([name, text, why]) =>
      malformed(name, document([`sig-ed25519-base64: ${text}`, keyLine]), why),
    ),
    malformed(
      "base64-parent",
      document([signatureLine, keyLine, `parent-base64: ${parent}=`]),
      "more padding than there is, in a parent",
    ),
  ];
}

function signatures(): Vector[] {
  const algorithm = (name: string) => document([edited(signatureLine, "sig-ed25519-base64", name), keyLine]);
  const otherKey = `key-sha256: ${KEYS.mallory.public.name}`;
  const forged = signBytes(KEYS.mallory, Buffer.from(body)).toString("base64");
  const changedBits = Buffer.from(signature, "base64");
  changedBits[0]! ^= 1;
  const refused = (fault: FaultName, name: string, text: string, why: string) => ({
    name,
    text,
    why,
    fault,
    given,
  });
  return [
    refused(
      "ALGORITHM_FORBIDDEN",
      "algorithm-sha1",
      algorithm("sig-rsa-sha1-base64"),
      "SHA-1 is never a signature",
    ),
    refused(
      "ALGORITHM_FORBIDDEN",
      "algorithm-unknown",
      algorithm("sig-none-base64"),
      "an algorithm that is not known",
    ),
    refused(
      "ALGORITHM_FORBIDDEN",
      "algorithm-swapped",
      algorithm("sig-rsa-sha256-base64"),
      "the key is Ed25519, the header says RSA",
    ),
    {
      ...refused(
        "ALGORITHM_FORBIDDEN",
        "algorithm-swapped-rsa",
        rsaSaidToBeEd25519(),
        "the key is RSA, the header says Ed25519",
      ),
      given: { key: "node" },
    },
    refused(
      "UNKNOWN_KEY",
      "another-key",
      document([signatureLine, otherKey]),
      "the header names a key that is not the one trusted",
    ),
    refused(
      "UNKNOWN_KEY",
      "signed-by-another",
      document([`sig-ed25519-base64: ${forged}`, otherKey]),
      "properly signed, by a key that is not trusted",
    ),
    refused(
      "BAD_SIGNATURE",
      "forged",
      document([`sig-ed25519-base64: ${forged}`, keyLine]),
      "another key's signature under the trusted key's name",
    ),
    refused(
      "BAD_SIGNATURE",
      "signature-bit",
      document([`sig-ed25519-base64: ${changedBits.toString("base64")}`, keyLine]),
      "one bit of the signature flipped",
    ),
    refused(
      "BAD_SIGNATURE",
      "signature-short",
      document([`sig-ed25519-base64: ${changedBits.subarray(1).toString("base64")}`, keyLine]),
      "a signature of 63 bytes",
    ),
    refused("BAD_SIGNATURE", "body-newline", `${leaf}\n`, "a newline after the body"),
    refused(
      "BAD_SIGNATURE",
      "body-crlf",
      `${signatureLine}\n${keyLine}\n\n${body.replaceAll("\n", "\r\n")}`,
      "the body with CRLF, a stored file's fate",
    ),
    refused("BAD_SIGNATURE", "body-cut", leaf.slice(0, -1), "the last byte cut off"),
    refused(
      "BAD_SIGNATURE",
      "body-empty",
      document([signatureLine, keyLine], ""),
      "nothing after the empty line",
    ),
    refused(
      "BAD_SIGNATURE",
      "two-empty-lines",
      document([signatureLine, keyLine], `\n${body}`),
      "the second empty line belongs to the body",
    ),
  ];
}

function rsaSaidToBeEd25519(): string {
  return edited(
    sealBody(writeTicket(rootTicket()), KEYS.node).text,
    "sig-rsa-sha256-base64",
    "sig-ed25519-base64",
  );
}

function document(header: readonly string[], content = body): string {
  return [...header, "", content].join("\n");
}

function urlAlphabet(text: string): string {
  return text.includes("+") ? edited(text, "+", "-") : edited(text, "/", "_");
}

function nextInAlphabet(character: string): string {
  return String.fromCharCode(character.charCodeAt(0) + 1);
}

function malformed(name: string, text: string, why: string): Vector {
  return { name, text, why, fault: "MALFORMED", given };
}
