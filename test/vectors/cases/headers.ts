import { writeTicket } from "#shared/wire/ticket-document.ts";
import { chainOf, KEYS, rootTicket, sealBody } from "#test/support/documents.ts";
import { edited, type Vector } from "../vector.ts";

/** Headers: what stands above the empty line, and the signature over what stands below it (WIRE.md §1). */

const chain = chainOf(3);
const leaf = chain.leaf.text;
const [signatureLine = "", keyLine = "", rootLine = "", holdingLine = ""] = leaf.split("\n");
const body = leaf.slice(leaf.indexOf("\n\n") + 2);
const given = { key: "branch" };

export function headerVectors(): Vector[] {
  return [...validHeaders(), ...lines(), ...sizes()];
}

function validHeaders(): Vector[] {
  const rsa = sealBody(writeTicket(rootTicket()), KEYS.node);
  const id = chain.leaf.id;
  return [
    { name: "ed25519-two-parents", text: leaf, why: "Ed25519, two documents above", given, id },
    {
      name: "ed25519-no-parents",
      text: document([signatureLine, keyLine]),
      why: "the header changes, the identity does not: it is the hash of the body",
      given,
      id,
    },
    {
      name: "rsa",
      text: rsa.text,
      why: "RSA-2048 with SHA-256, PKCS#1 v1.5",
      given: { key: "node" },
      id: rsa.id,
    },
    largestBody(),
  ];
}

function lines(): Vector[] {
  const sealed = [signatureLine, keyLine];
  return [
    malformed("empty", "", "nothing at all"),
    malformed("no-empty-line", sealed.join("\n"), "a header and nothing else"),
    malformed("no-header", body, "XML without a header"),
    malformed("empty-line-first", `\n${leaf}`, "an empty line above the header"),
    malformed("key-first", document([keyLine, signatureLine]), "the lines in another order"),
    malformed("no-signature", document([keyLine]), "no signature line"),
    malformed("no-key", document([signatureLine]), "no key line"),
    malformed("second-signature", document([signatureLine, signatureLine, keyLine]), "the signature twice"),
    malformed("second-key", document([...sealed, keyLine]), "the key twice"),
    malformed("second-header", document([...sealed, ...sealed]), "a second header below the first"),
    malformed("parent-first", document([rootLine, ...sealed]), "a parent above the signature"),
    malformed("parent-in-the-middle", document([signatureLine, rootLine, keyLine]), "a parent above the key"),
    malformed("unknown-line", document([...sealed, "comment: none"]), "a line that is not in the grammar"),
    malformed("crlf", leaf.replaceAll("\n", "\r\n"), "CRLF for LF"),
    malformed("one-cr", document([`${signatureLine}\r`, keyLine]), "one line that ends in CR LF"),
    malformed(
      "folded",
      document([signatureLine.slice(0, 60), ` ${signatureLine.slice(60)}`, keyLine]),
      "a line folded as in mail",
    ),
    malformed("leading-space", document([` ${signatureLine}`, keyLine]), "a space before a line"),
    malformed("trailing-space", document([`${signatureLine} `, keyLine]), "a space after a line"),
    malformed("trailing-space-key", document([signatureLine, `${keyLine} `]), "a space after the key"),
    malformed("tab", document([edited(signatureLine, ": ", ":\t"), keyLine]), "a tab after the colon"),
    malformed("no-space", document([edited(signatureLine, ": ", ":"), keyLine]), "no space after the colon"),
    malformed(
      "two-spaces",
      document([edited(signatureLine, ": ", ":  "), keyLine]),
      "two spaces after the colon",
    ),
    malformed(
      "upper-case-name",
      document([edited(signatureLine, "sig-", "Sig-"), keyLine]),
      "names are lower-case",
    ),
    malformed(
      "upper-case-hex",
      document([signatureLine, edited(keyLine, /[0-9a-f]{64}/, KEYS.branch.public.name.toUpperCase())]),
      "hex digits are lower-case",
    ),
    malformed("short-key", document([signatureLine, keyLine.slice(0, -1)]), "63 hex digits"),
    malformed("long-key", document([signatureLine, `${keyLine}0`]), "65 hex digits"),
    malformed("nul", document([`${signatureLine}\0`, keyLine]), "a NUL in the header"),
    malformed("byte-order-mark", `\uFEFF${leaf}`, "a byte order mark at the start"),
    malformed("blank-line", `${signatureLine}\n${keyLine}\n \n${body}`, "a space in the empty line"),
    malformed("utf-16", Array.from(leaf, (c) => `${c}\0`).join(""), "the document in UTF-16"),
    malformed(
      "four-parents",
      document([...sealed, rootLine, holdingLine, holdingLine, holdingLine]),
      "more than three parents",
    ),
    malformed(
      "parent-with-parents",
      document([...sealed, parentLine(leaf)]),
      "a parent with parent lines of its own",
    ),
    malformed("parent-without-header", document([...sealed, parentLine(body)]), "a parent that is XML alone"),
    malformed("empty-parent", document([...sealed, "parent-base64: "]), "a parent line with nothing on it"),
  ];
}

/** Bodies are at most 16 KiB, whatever signed them. */
function largestBody(): Vector {
  const sealed = sealBody(Buffer.from("x".repeat(16 * 1024)), KEYS.agent);
  return {
    name: "body-16-kib",
    text: sealed.text,
    why: "the largest body, which is no ticket",
    given: { key: "agent" },
    id: sealed.id,
  };
}

function sizes(): Vector[] {
  const sealed = sealBody(Buffer.from("x".repeat(16 * 1024 + 1)), KEYS.agent);
  return [
    {
      name: "body-too-large",
      text: sealed.text,
      why: "a body one byte too large",
      fault: "TOO_LARGE",
      given: { key: "agent" },
    },
  ];
}

function document(header: readonly string[], content = body): string {
  return [...header, "", content].join("\n");
}

function parentLine(text: string): string {
  return `parent-base64: ${Buffer.from(text).toString("base64")}`;
}

function malformed(name: string, text: string, why: string): Vector {
  return { name, text, why, fault: "MALFORMED", given };
}
