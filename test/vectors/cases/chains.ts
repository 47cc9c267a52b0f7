import { signBytes } from "#shared/identity/signature.ts";
import type { FaultName } from "#shared/model/errors.ts";
import { writeTicket } from "#shared/wire/ticket-document.ts";
import {
  chainOf,
  holdingUnder,
  KEYS,
  rootTicket,
  type Sealed,
  seal,
  sealBody,
  sealedHolding,
  sealedRoot,
  sealedSliceTicket,
  serial,
  sliceTicketUnder,
} from "#test/support/documents.ts";
import { edited, type Vector } from "../vector.ts";

/** Whole chains, as the node reads them that signed the root (WIRE.md §1). */

/** What the reader is asked for: to redeem a slice ticket, or to take a holding. */
export type Asked = "slice ticket" | "holding";

export const AT = "2030-01-01 12:00:00";

export function chainVectors(): Vector[] {
  return [...depths(), ...missing(), ...roots(), ...links(), ...kinds()];
}

export function taken(
  name: string,
  sealed: Sealed,
  why: string,
  as: Asked = "slice ticket",
  at = AT,
): Vector {
  return { name, text: sealed.text, why, given: { node: "node", as, at }, id: sealed.id };
}

export function refused(
  name: string,
  sealed: Pick<Sealed, "text">,
  why: string,
  fault: FaultName = "BAD_CHAIN",
  as: Asked = "slice ticket",
  at = AT,
): Vector {
  return { name, text: sealed.text, why, fault, given: { node: "node", as, at } };
}

const root = sealedRoot();
const holding = sealedHolding(root);
const leaf = sealedSliceTicket(holding);
const [bareRoot, bareHolding] = holding.lineage as [string, string];

/** The same slice ticket under other parents than its own. */
function leafUnder(...parents: string[]): Sealed {
  return seal(leaf.ticket, KEYS.branch, parents);
}

function depths(): Vector[] {
  const deepest = sealedHolding(holding, { to: KEYS.bob, serial: serial(4) });
  const hers = sealedHolding(root, { to: KEYS.alice });
  return [
    taken("two-links", chainOf(2).leaf, "root and slice ticket"),
    taken("three-links", chainOf(3).leaf, "root, holding and slice ticket"),
    taken("four-links", chainOf(4).leaf, "as long as a chain can be; the last holder signs with RSA"),
    taken("root", root, "a root alone, as it is deposited", "holding"),
    taken("holding", holding, "a holding below the root", "holding"),
    taken("deepest-holding", deepest, "a holding with one link left", "holding"),
    taken("principal-holds", sealedSliceTicket(hers), "alice splits a ticket for herself"),
    taken(
      "same-serials",
      sealedSliceTicket(holding, { serial: serial(1) }),
      "its root's serial, which names nothing",
    ),
    refused("five-links", fiveLinks(), "one link too many", "MALFORMED"),
  ];
}

/** Something above left out or put in. */
function missing(): Vector[] {
  const lost = "UNKNOWN_KEY";
  return [
    refused("root-missing", leafUnder(bareHolding), "the root left out where nobody has it", lost),
    refused("holding-missing", leafUnder(bareRoot), "the holding between left out", lost),
    refused("parents-missing", leafUnder(), "everything above left out", lost),
    refused("parents-swapped", leafUnder(bareHolding, bareRoot), "the root below the holding", lost),
    refused("root-twice", leafUnder(bareRoot, bareRoot, bareHolding), "a root below a root", lost),
    refused("holding-twice", leafUnder(bareRoot, bareHolding, bareHolding), "a holding below itself", lost),
    refused(
      "leaf-above-itself",
      leafUnder(bareRoot, bareHolding, leaf.lineage.at(-1)!),
      "a slice ticket below itself",
    ),
  ];
}

function roots(): Vector[] {
  const others = KEYS.otherNode.public.name;
  const foreign = seal(rootTicket({ node: others, issuer: others }), KEYS.otherNode);
  const inOthersName = sealedRoot({ node: others });
  const selfMade = seal(rootTicket({ issuer: KEYS.mallory.public.name }), KEYS.mallory);
  const another = sealedRoot({ serial: serial(7) });
  return [
    refused("foreign", sealedSliceTicket(foreign), "a chain of another node", "WRONG_NODE"),
    refused(
      "root-for-another-node",
      sealedSliceTicket(inOthersName),
      "a root signed for another node",
      "WRONG_NODE",
    ),
    refused("root-self-made", sealedSliceTicket(selfMade), "a root that somebody else signed", "UNKNOWN_KEY"),
    refused(
      "root-unsigned",
      leafUnder(forgedRoot(), bareHolding),
      "its key named, not used",
      "BAD_SIGNATURE",
    ),
    refused("root-altered", altered(), "one letter of the root changed, inside its base64", "BAD_SIGNATURE"),
    refused("root-not-utf-8", notUtf8(), "a root that is not UTF-8", "MALFORMED"),
    refused(
      "root-with-parent",
      sealedSliceTicket(sealedRoot({ parent: "ab".repeat(32) })),
      "a root that was split",
    ),
    refused(
      "root-by-another-issuer",
      sealedSliceTicket(sealedRoot({ issuer: others })),
      "a root in another's name",
    ),
    refused(
      "another-root",
      leafUnder(another.text, bareHolding),
      "a root of its node that it was not split from",
    ),
  ];
}

function links(): Vector[] {
  const toAlias = edited(
    writeTicket(holdingUnder(root)).toString(),
    KEYS.branch.public.spki.toString("base64"),
    Buffer.concat([KEYS.branch.public.spki, Buffer.of(0)]).toString("base64"),
  );
  const alias = { ticket: holding.ticket, ...sealBody(Buffer.from(toAlias), KEYS.agent, root.lineage) };
  const orphan = sealedHolding(root, { parent: undefined });
  return [
    refused("no-parent-hash", sealedSliceTicket(orphan), "a holding below the root that says it is one"),
    refused(
      "parent-hash",
      sealedSliceTicket(root, { parent: holding.id }),
      "split from another than the one above",
    ),
    refused(
      "issuer",
      sealedSliceTicket(root, { issuer: KEYS.branch.public.name }),
      "an issuer who is not its holder",
    ),
    refused(
      "signed-by-issuer-above",
      seal(leaf.ticket, KEYS.agent, holding.lineage),
      "not by its holder",
      "UNKNOWN_KEY",
    ),
    refused(
      "signed-by-principal",
      seal(leaf.ticket, KEYS.alice, holding.lineage),
      "by alice herself",
      "UNKNOWN_KEY",
    ),
    refused("alias", sealedSliceTicket(alias), "a holding given to an alias of a key", "WEAK_KEY"),
  ];
}

/** A slice ticket is never split, a holding never redeemed. */
function kinds(): Vector[] {
  const hers = sealedSliceTicket(root);
  const below = sliceTicketUnder(holding, { parent: hers.id, issuer: KEYS.alice.public.name });
  return [
    refused("slice-ticket-split", seal(below, KEYS.alice, hers.lineage), "alice splits what she may redeem"),
    refused("holding-redeemed", holding, "a holding for redemption", "WRONG_TYPE"),
    refused("root-redeemed", root, "a root for redemption", "WRONG_TYPE"),
    refused("slice-ticket-held", leaf, "a slice ticket for a holding", "WRONG_TYPE", "holding"),
  ];
}

function fiveLinks(): Sealed {
  const third = sealedHolding(holding, { to: KEYS.bob, serial: serial(4) });
  const fourth = sealedHolding(third, { splits: 1, serial: serial(6) });
  return sealedSliceTicket(fourth);
}

function forgedRoot(): string {
  const forged = seal(rootTicket(), KEYS.otherNode).text;
  return edited(forged, KEYS.otherNode.public.name, KEYS.node.public.name);
}

function altered(): Pick<Sealed, "text"> {
  const changed = edited(bareRoot, "<slivers>64<", "<slivers>65<");
  return leafUnder(changed, bareHolding);
}

function notUtf8(): Pick<Sealed, "text"> {
  const body = Buffer.from(edited(writeTicket(rootTicket()).toString(), "<serial>", "<serial>~"));
  body[body.indexOf("~")] = 0xff;
  const signature = signBytes(KEYS.node, body).toString("base64");
  const header = `sig-rsa-sha256-base64: ${signature}\nkey-sha256: ${KEYS.node.public.name}\n\n`;
  const bytes = Buffer.concat([Buffer.from(header), body]).toString("base64");
  const [signatureLine, keyLine, , ...rest] = leaf.text.split("\n");
  return { text: [signatureLine, keyLine, `parent-base64: ${bytes}`, ...rest].join("\n") };
}
