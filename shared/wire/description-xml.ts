import { Parser } from "xml2js";
import { Fault, refuseUnless } from "../model/errors.ts";

/**
 * XML that people write, as xml2js reads it: an element is an object of its children by name, each a list, its text
 * under `#text` and its attributes under `@`. White space around text is gone. Nothing is checked yet but the XML.
 */
export type DescriptionXml = {
  readonly tree: unknown;
  /** Where in the text the element at this path begins, or else the nearest one around it. */
  offsetOf(path: readonly PropertyKey[]): number;
  /** "line 3, column 5": an offset as editors count it, both from 1. */
  placeAt(offset: number): string;
};

const MAX_BYTES = 64 * 1024;
const MAX_DEPTH = 16;
/** What XML 1.0 calls no character at all, and lone halves of surrogate pairs. */
const NO_CHARACTER = /[^\t\n\r\x20-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u;
/** An XML declaration of another version or encoding. */
const FOREIGN_DECLARATION = /version\s*=\s*["'](?!1\.0["'])|encoding\s*=\s*["'](?!utf-8["'])/i;
const ENTITIES = Object.assign(Object.create(null), { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" });

/** The parser inside xml2js, which knows places; xml2js's types leave it out. */
type Inner = {
  position: number;
  startTagPosition: number;
  ENTITIES: Record<string, string>;
  onerror(error: Error): void;
  onopentag(node: { name: string; attributes: object }): void;
  onclosetag(name: string): void;
  ondoctype?(): void;
  onprocessinginstruction?(instruction: { name: string; body: string }): void;
};

/**
 * Reads XML with the given root. Comments and CDATA are fine; what xml2js lets through is refused here: a second
 * root, DOCTYPE, processing instructions, HTML's entities, characters that are none. Throws MALFORMED with line and
 * column, TOO_LARGE above 64 KiB.
 */
export function readDescriptionXml(source: string | Buffer, root: string): DescriptionXml {
  const text = normalized(source);
  const reading = new Reading(text, root);
  const parser = new Parser({
    charkey: "#text",
    attrkey: "@",
    explicitCharkey: true,
    explicitRoot: false,
    trim: true,
    emptyTag: () => ({}),
    // References such as &#0; are text only now.
    valueProcessors: [(value) => reading.checked(value)],
    attrValueProcessors: [(value) => reading.checked(value)],
  });
  let tree: unknown;
  // xml2js replaces its inner parser when a callback is given, and a second root would then go unseen.
  parser.on("end", (result: unknown) => {
    tree ??= result;
  });
  parser.on("error", (cause: Error) => reading.fail(0, "this is not XML; write a slice description", cause));
  reading.watch((parser as unknown as { saxParser: Inner }).saxParser);
  parser.parseString(text);
  if (reading.failure) throw reading.failure;
  refuseUnless(tree, "MALFORMED", `there is no <${root}>; write <${root}>…</${root}>`);
  return {
    tree,
    offsetOf: (path) => reading.offsetOf(path),
    placeAt: (offset) => reading.placeAt(offset),
  };
}

/** Whether a text holds only characters that XML has. */
export function isXmlText(text: string): boolean {
  return !NO_CHARACTER.test(text);
}

class Reading {
  failure: Fault | undefined;
  readonly #text: string;
  readonly #root: string;
  #parser: Inner | undefined;
  /** Offsets of start tags by their path in the tree, e.g. "program.0.file.1". */
  readonly #offsets = new Map<string, number>();
  /** The elements that are open: their paths, and how many children of each name they had. */
  readonly #open: { path: string; seen: Map<string, number> }[] = [];

  constructor(text: string, root: string) {
    this.#text = text;
    this.#root = root;
  }

  /** What was written as a reference is text only here, and may be no character at all. */
  checked(value: string): string {
    if (!isXmlText(value)) this.#failHere("there is a control character; remove it");
    return value;
  }

  /** Listens beside xml2js. Failures are remembered, not thrown: xml2js would catch and hide some of them. */
  watch(parser: Inner): void {
    const { onerror, onopentag, onclosetag } = parser;
    this.#parser = parser;
    parser.ENTITIES = ENTITIES;
    parser.onerror = (error) => {
      const [what] = error.message.split("\n");
      this.#failHere(`the XML is not well-formed (${what}); correct it there`, error);
      onerror(error);
    };
    parser.onopentag = (node) => {
      this.#opened(node.name, parser.startTagPosition - 1);
      this.#refuseRepeated(Object.keys(node.attributes).length);
      onopentag(node);
    };
    parser.onclosetag = (name) => {
      this.#open.pop();
      onclosetag(name);
    };
    parser.ondoctype = () => this.#failHere("a DOCTYPE is never accepted; remove it");
    parser.onprocessinginstruction = ({ name, body }) => {
      if (name !== "xml" || this.#offsets.size > 0 || FOREIGN_DECLARATION.test(body)) {
        this.#failHere('the only <?…?> accepted is <?xml version="1.0" encoding="UTF-8"?> at the top');
      }
    };
  }

  fail(offset: number, sentence: string, cause?: unknown): void {
    this.failure ??= new Fault("MALFORMED", `${this.placeAt(offset)}: ${sentence}`, { cause });
  }

  #failHere(sentence: string, cause?: unknown): void {
    this.fail(Math.min(this.#parser!.position, this.#text.length) - 1, sentence, cause);
  }

  offsetOf(path: readonly PropertyKey[]): number {
    for (let length = path.length; length > 0; length--) {
      const offset = this.#offsets.get(path.slice(0, length).map(String).join("."));
      if (offset !== undefined) return offset;
    }
    return this.#offsets.get("") ?? 0;
  }

  placeAt(offset: number): string {
    const before = this.#text.slice(0, Math.max(0, offset)).split("\n");
    return `line ${before.length}, column ${before.at(-1)!.length + 1}`;
  }

  #opened(name: string, offset: number): void {
    const parent = this.#open.at(-1);
    if (!parent) this.#openedRoot(name, offset);
    if (this.#open.length >= MAX_DEPTH) this.fail(offset, `elements are nested deeper than ${MAX_DEPTH}`);
    const index = parent?.seen.get(name) ?? 0;
    parent?.seen.set(name, index + 1);
    const path = parent ? [...(parent.path ? [parent.path] : []), name, index].join(".") : "";
    this.#offsets.set(path, offset);
    this.#open.push({ path, seen: new Map() });
  }

  /** The parser keeps the first of two attributes of one name and says nothing: counted in the tag's own text. */
  #refuseRepeated(attributes: number): void {
    const { startTagPosition, position } = this.#parser!;
    const names = this.#text.slice(startTagPosition - 1, position).replace(/"[^"]*"|'[^']*'/g, "");
    if (names.split("=").length - 1 !== attributes)
      this.fail(startTagPosition - 1, "an attribute is there twice; leave one");
  }

  #openedRoot(name: string, offset: number): void {
    if (this.#offsets.size > 0)
      this.fail(offset, `there is a second root <${name}>; leave one <${this.#root}>`);
    if (name !== this.#root)
      this.fail(offset, `the root is <${name}>; write <${this.#root}>…</${this.#root}>`);
  }
}

/** The text without what editors on other systems add: a byte order mark, CRLF. */
function normalized(source: string | Buffer): string {
  const bytes = typeof source === "string" ? Buffer.byteLength(source) : source.length;
  refuseUnless(
    bytes <= MAX_BYTES,
    "TOO_LARGE",
    `the description has ${bytes} bytes; ${MAX_BYTES} is the limit`,
  );
  const text = (typeof source === "string" ? source : decodeUtf8(source))
    .replace(/^\uFEFF/, "")
    .replace(/\r\n?/g, "\n");
  const at = text.search(NO_CHARACTER);
  if (at >= 0) {
    const line = text.slice(0, at).split("\n").length;
    throw new Fault("MALFORMED", `line ${line} holds a control character, which XML cannot; remove it`);
  }
  return text;
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Fault("MALFORMED", "the description is not UTF-8; save it as UTF-8", { cause });
  }
}
