import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { readXml } from "../xml.ts";
import { FaultValue, ROOTS, type Rule } from "./grammar.ts";
import { readOwnSpelling } from "./own-spelling.ts";
import { isStruct, type MessageLimits, REPLY_LIMITS, REQUEST_LIMITS, type Value } from "./value.ts";

export type MethodCall = { readonly method: string; readonly params: Value[] };

/** What a server answered: a value, or a fault with its number and text exactly as they were sent. */
export type MethodResponse = { readonly value: Value } | { readonly fault: { code: number; text: string } };

/**
 * Reads a call. MALFORMED for anything that is not exactly XML-RPC, TOO_LARGE for more than the limits. The XML is
 * read as strictly as a signed document, but for one thing: text in a CDATA section is a string as any other.
 */
export function decodeCall(body: Buffer, limits: MessageLimits = REQUEST_LIMITS): MethodCall {
  return readOwnSpelling(body, limits, (own) => own.call()) ?? decodeCallStrictly(body, limits);
}

/** The same without the fast path. */
export function decodeCallStrictly(body: Buffer, limits: MessageLimits = REQUEST_LIMITS): MethodCall {
  const [method, params] = new Message(ROOTS.methodCall, limits).read(body) as [string, Value[]?];
  return { method, params: params ?? [] };
}

/** Reads an answer, with the same strictness. */
export function decodeResponse(body: Buffer, limits: MessageLimits = REPLY_LIMITS): MethodResponse {
  return readOwnSpelling(body, limits, (own) => own.response()) ?? decodeResponseStrictly(body, limits);
}

/** The same without the fast path. */
export function decodeResponseStrictly(body: Buffer, limits: MessageLimits = REPLY_LIMITS): MethodResponse {
  const [answer] = new Message(ROOTS.methodResponse, limits).read(body) as [Value[] | FaultValue];
  if (answer instanceof FaultValue) return { fault: readFault(answer.value) };
  refuseUnless(answer.length === 1, "MALFORMED", "an answer must have exactly one param");
  return { value: answer[0]! };
}

function readFault(value: Value): { code: number; text: string } {
  if (isStruct(value) && Object.keys(value).length === 2) {
    const { faultCode, faultString } = value;
    if (Number.isSafeInteger(faultCode) && typeof faultString === "string") {
      return { code: faultCode as number, text: faultString };
    }
  }
  throw new Fault("MALFORMED", "a fault must have exactly a faultCode and a faultString");
}

/** An element that is being read: what its children came to so far, and its text. */
type Frame = { rule: Rule; parts: unknown[]; text: string };

/** The most elements that stand around and between values nested this deep. */
const depthFor = (nesting: number) => 4 + 3 * (nesting + 1);

/** One message being read against the grammar. Used once. */
class Message {
  readonly #root: Rule;
  readonly #limits: MessageLimits;
  readonly #stack: Frame[] = [];
  #values = 0;
  #nesting = 0;
  #result: unknown;

  constructor(root: Rule, limits: MessageLimits) {
    this.#root = root;
    this.#limits = limits;
  }

  read(body: Buffer): unknown[] {
    const { maxBytes, maxNesting } = this.#limits;
    readXml(
      body,
      { maxBytes, maxDepth: depthFor(maxNesting) },
      {
        open: (element, attributes) => this.#open(element, attributes),
        text: (text) => this.#text(text),
        cdata: (text) => this.#cdata(text),
        close: () => this.#close(),
      },
    );
    return this.#result as unknown[];
  }

  #open(element: string, attributes: Readonly<Record<string, string>>): void {
    for (const attribute in attributes) {
      throw new Fault("MALFORMED", `the attribute ${attribute.slice(0, 40)} has no place in XML-RPC`);
    }
    const parent = this.#stack.at(-1);
    const rule = parent ? expected(parent, element) : element === this.#root.element ? this.#root : undefined;
    if (!rule) throw misplaced(`the element ${element.slice(0, 40)}`, parent);
    if (rule.nests) {
      this.#nesting += 1;
      refuseUnless(
        this.#nesting <= this.#limits.maxNesting,
        "TOO_LARGE",
        `values nest deeper than ${this.#limits.maxNesting}`,
      );
    } else if (rule.element === "value") {
      this.#values += 1;
      refuseUnless(
        this.#values <= this.#limits.maxValues,
        "TOO_LARGE",
        `there are more than ${this.#limits.maxValues} values`,
      );
    }
    this.#stack.push({ rule, parts: rule.children.length > 0 ? [] : NONE, text: "" });
  }

  #text(piece: string): void {
    const frame = this.#stack.at(-1);
    if (frame?.rule.text) frame.text += piece;
    else if (!isBlank(piece)) throw misplaced("text", frame);
  }

  /** Only as what a string is: npm's xmlrpc writes every string that holds a `<` or `&` so, tickets among them. */
  #cdata(piece: string): void {
    const frame = this.#stack.at(-1);
    if (frame?.rule.element !== "string" && frame?.rule.element !== "value") {
      throw misplaced("a CDATA section", frame);
    }
    this.#text(piece);
  }

  #close(): void {
    const frame = this.#stack.pop()!;
    const { rule, parts, text } = frame;
    refuseUnless(parts.length >= rule.least, "MALFORMED", `an element ${rule.element} is not complete`);
    if (parts.length > 0 && text !== "" && !isBlank(text)) throw misplaced("text", frame);
    if (rule.nests) this.#nesting -= 1;
    const value = rule.finish(parts, text);
    const parent = this.#stack.at(-1);
    if (parent) parent.parts.push(value);
    else this.#result = value;
  }
}

const NONE: unknown[] = [];

function expected({ rule, parts }: Frame, element: string): Rule | undefined {
  return rule.children[rule.repeats ? 0 : parts.length]?.get(element);
}

function misplaced(what: string, parent: Frame | undefined): Fault {
  return new Fault(
    "MALFORMED",
    `${what} has no place ${parent ? `in ${parent.rule.element}` : "as the root"} here`,
  );
}

function isBlank(text: string): boolean {
  return !/[^ \t\r\n]/.test(text);
}
