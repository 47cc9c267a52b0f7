import { Fault, refuseUnless } from "../model/errors.ts";
import { escapeXml, readXml, type XmlLimits } from "./xml.ts";

/** One XML element of a signed document: either text or children, never both. */
export type Element = {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly Element[];
  /** Without XML's white space at its ends; empty when there are children. */
  readonly text: string;
};

type Open = { name: string; attributes: Readonly<Record<string, string>>; children: Element[]; text: string };

const DOCUMENT_LIMITS: XmlLimits = { maxBytes: 16 * 1024, maxDepth: 16 };

/** Reads the body of a signed document as a tree. No entities at all: no value in a document needs one. */
function readElement(body: Buffer, maxBytes: number): Element {
  refuseUnless(!body.includes("&"), "MALFORMED", "a document has no entities; remove every &");
  const stack: Open[] = [];
  let root: Element | undefined;
  readXml(
    body,
    { ...DOCUMENT_LIMITS, maxBytes },
    {
      open: (name, attributes) => {
        stack.push({ name, attributes: { ...attributes }, children: [], text: "" });
      },
      text: (text) => {
        stack.at(-1)!.text += text;
      },
      close: () => {
        const element = closed(stack.pop()!);
        if (stack.length > 0) stack.at(-1)!.children.push(element);
        else root = element;
      },
    },
  );
  return root!;
}

function closed(open: Open): Element {
  const text = trimmed(open.text);
  refuseUnless(
    open.children.length === 0 || text === "",
    "MALFORMED",
    `<${open.name}> has text between its elements`,
  );
  return { ...open, text };
}

const WHITE = " \t\r\n";

/**
 * Without XML's own white space. `trim` would also take what other readers keep, such as no-break spaces, and a
 * regular expression takes seconds over long runs of spaces.
 */
function trimmed(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && WHITE.includes(text[start]!)) start += 1;
  while (end > start && WHITE.includes(text[end - 1]!)) end -= 1;
  return text.slice(start, end);
}

/** The children of an element by name, each at most once unless it is listed as repeated, with nothing unknown among them. */
export class Fields {
  readonly #byName = new Map<string, Element>();
  readonly #repeated = new Map<string, Element[]>();
  readonly #of: string;

  constructor(element: Element, names: readonly string[], repeated: readonly string[] = []) {
    this.#of = element.name;
    refuseAttributes(element);
    refuseUnless(element.text === "", "MALFORMED", `<${element.name}> has text where elements belong`);
    for (const name of repeated) this.#repeated.set(name, []);
    for (const child of element.children) {
      const several = this.#repeated.get(child.name);
      if (several) {
        several.push(child);
        continue;
      }
      refuseUnless(
        names.includes(child.name),
        "MALFORMED",
        `<${element.name}> has an unknown <${child.name}>`,
      );
      refuseUnless(
        !this.#byName.has(child.name),
        "MALFORMED",
        `<${element.name}> has <${child.name}> more than once`,
      );
      this.#byName.set(child.name, child);
    }
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** An element that holds elements, which must be there. */
  element(name: string): Element {
    const child = this.#byName.get(name);
    if (!child) throw new Fault("MALFORMED", `<${this.#of}> lacks <${name}>`);
    return child;
  }

  /** The text of a plain element, which must be there and not empty. */
  text(name: string): string {
    return plainText(this.element(name));
  }

  /** The texts of a plain element that may be there several times, in their order. */
  texts(name: string): readonly string[] {
    return (this.#repeated.get(name) ?? []).map(plainText);
  }

  /** `read` applied to a plain element's text, or undefined when the element is absent. */
  optional<T>(name: string, read: (text: string) => T): T | undefined {
    return this.has(name) ? read(this.text(name)) : undefined;
  }
}

/** The text of an element that has neither attributes nor children. */
export function plainText(element: Element): string {
  refuseAttributes(element);
  const plain = element.children.length === 0 && element.text !== "";
  refuseUnless(plain, "MALFORMED", `<${element.name}> must hold plain text`);
  return element.text;
}

/** The children of a list element, all of one name. */
export function listOf(element: Element, name: string): readonly Element[] {
  refuseAttributes(element);
  refuseUnless(
    element.text === "" && element.children.every((child) => child.name === name),
    "MALFORMED",
    `<${element.name}> holds only <${name}> elements`,
  );
  return element.children;
}

function refuseAttributes(element: Element): void {
  const [attribute] = Object.keys(element.attributes);
  refuseUnless(
    attribute === undefined,
    "MALFORMED",
    `<${element.name}> has an unknown attribute ${attribute?.slice(0, 20)}`,
  );
}

/** A part of a document to be written: absent parts are undefined. */
export type Part = string | undefined;

/** Writes `<name>text</name>`, or nothing when there is no value. */
export function field(name: string, value: string | number | undefined): Part {
  return value === undefined ? undefined : `<${name}>${escapeXml(String(value))}</${name}>`;
}

/** Writes an element around parts, or nothing when all are absent. */
export function group(name: string, parts: readonly Part[]): Part {
  const present = parts.filter((part) => part !== undefined);
  return present.length === 0 ? undefined : `<${name}>${present.join("")}</${name}>`;
}

/** Writes a whole document body: declaration, root with version 1, one part a line, no newline at the end. */
export function writeBody(root: string, parts: readonly Part[]): Buffer {
  const lines = parts.filter((part) => part !== undefined);
  return Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?>\n<${root} version="1">\n  ${lines.join("\n  ")}\n</${root}>`,
  );
}

/**
 * Checks root and version first, which tell a ticket from a lease, and gives the root without them. `maxBytes` as in
 * `parseDocument`.
 */
export function readRoot(body: Buffer, root: string, maxBytes = DOCUMENT_LIMITS.maxBytes): Element {
  const element = readElement(body, maxBytes);
  refuseUnless(
    element.name === root,
    "WRONG_TYPE",
    `this is a <${element.name.slice(0, 20)}>, not a <${root}>; send a ${root}`,
  );
  const onlyVersion = Object.keys(element.attributes).join() === "version";
  refuseUnless(
    onlyVersion && element.attributes.version === "1",
    "MALFORMED",
    `only version 1 of <${root}> is known`,
  );
  return { ...element, attributes: {} };
}
