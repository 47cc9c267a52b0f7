import { isUtf8 } from "node:buffer";
import { Fault } from "#shared/model/errors.ts";
import { PROLOG } from "./encode.ts";
import { SCALARS } from "./scalar.ts";
import type { MessageLimits, Struct, Value } from "./value.ts";

/**
 * A fast path beside the strict reader, for messages spelled as our own encoder spells them: no white space, no
 * attributes, no other choice. It reads a thousand advertisements in two fifths of the time (bench/xmlrpc.ts). It
 * refuses nothing: at the least doubt it gives up, and the strict reader decides. So all that has to hold, and is
 * tested, is that it gives what the strict reader gives or nothing.
 */
export function readOwnSpelling<T>(
  body: Buffer,
  limits: MessageLimits,
  read: (text: OwnSpelling) => T,
): T | undefined {
  if (body.length > limits.maxBytes || !isUtf8(body)) return undefined;
  const text = body.toString();
  if (ODD.test(text)) return undefined;
  try {
    return read(new OwnSpelling(text, limits));
  } catch (error) {
    if (error === DOUBT || error instanceof Fault) return undefined;
    throw error;
  }
}

/** Why the fast path gives up. Thrown and caught in this file. */
const DOUBT = new Error("not spelled as our own encoder does");

/** What XML forbids in text, or reads as something else than it says. */
const ODD = /[\0-\x08\x0B-\x1F\uFFFE\uFFFF]|\]\]>/;

/**
 * A member as it was met. `opening`: all of it that stands before its value, with the tags of one that is a scalar, which
 * has `read` and ends with `closing`. `within`: what was in it if that was a struct, or a list of them.
 */
type Member = {
  readonly name: string;
  readonly opening: string;
  readonly read: ((text: string) => Value) | undefined;
  readonly closing: string;
  readonly within: Shape;
};

/** The members of the struct that was read last at some place of a message. The next one there is mostly alike. */
type Shape = Member[];

class OwnSpelling {
  readonly #text: string;
  readonly #limits: MessageLimits;
  #at = 0;
  #values = 0;

  constructor(text: string, limits: MessageLimits) {
    this.#text = text;
    this.#limits = limits;
  }

  call(): { method: string; params: Value[] } {
    this.#take(`${PROLOG}<methodCall><methodName>`);
    const method = this.#characters();
    this.#take("</methodName><params>");
    const params: Value[] = [];
    while (this.#next("<param>")) {
      params.push(this.#value(0, []));
      this.#take("</param>");
    }
    this.#take("</params></methodCall>");
    this.#end();
    return { method, params };
  }

  response(): { value: Value } {
    this.#take(`${PROLOG}<methodResponse><params><param>`);
    const value = this.#value(0, []);
    this.#take("</param></params></methodResponse>");
    this.#end();
    return { value };
  }

  #value(nesting: number, shape: Shape): Value {
    this.#count();
    this.#take("<value><");
    if (this.#next("string>")) return this.#closed(this.#characters(), "</string></value>");
    if (this.#next("int>")) return this.#scalar("int");
    if (this.#next("nil/></value>")) return null;
    if (this.#next("struct>")) return this.#struct(nesting + 1, shape);
    if (this.#next("array><data>")) return this.#array(nesting + 1, shape);
    const end = this.#text.indexOf(">", this.#at);
    const element = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return this.#scalar(element);
  }

  #scalar(element: string): Value {
    const read = SCALARS.get(element);
    if (!read) throw DOUBT;
    return this.#closed(read(this.#characters()), `</${element}></value>`);
  }

  #array(nesting: number, shape: Shape): Value[] {
    if (nesting > this.#limits.maxNesting) throw DOUBT;
    const items: Value[] = [];
    while (!this.#next("</data></array></value>")) items.push(this.#value(nesting, shape));
    return items;
  }

  #struct(nesting: number, shape: Shape): Struct {
    if (nesting > this.#limits.maxNesting) throw DOUBT;
    // Not Object.create(null), whose members V8 keeps in a dictionary: slower to read and to collect.
    const struct: Struct = Object.setPrototypeOf({}, null);
    for (let place = 0; ; place++) {
      const member = this.#member(shape, place);
      if (!member) return this.#closed(struct, "</struct></value>");
      if (member.name in struct) throw DOUBT;
      struct[member.name] = this.#valueOf(member, nesting);
    }
  }

  /** The member that begins here, if one does: most often the same as at this place of the struct before. */
  #member(shape: Shape, place: number): Member | undefined {
    const before = shape[place];
    if (before && this.#next(before.opening)) return before;
    const begin = this.#at;
    if (!this.#next("<member><name>")) return undefined;
    const name = this.#closed(this.#characters(), "</name>");
    const element = /<value><([^<>]*)>/y;
    element.lastIndex = this.#at;
    const [tags = "", type = ""] = element.exec(this.#text) ?? [];
    const read = SCALARS.get(type);
    if (read) this.#at += tags.length;
    const opening = this.#text.slice(begin, this.#at);
    const member = { name, opening, read, closing: `</${type}></value></member>`, within: [] };
    shape[place] = member;
    return member;
  }

  #valueOf({ read, closing, within }: Member, nesting: number): Value {
    if (!read) return this.#closed(this.#value(nesting, within), "</member>");
    this.#count();
    return this.#closed(read(this.#characters()), closing);
  }

  #count(): void {
    this.#values += 1;
    if (this.#values > this.#limits.maxValues) throw DOUBT;
  }

  /** Text up to the next tag. */
  #characters(): string {
    const end = this.#text.indexOf("<", this.#at);
    if (end < 0) throw DOUBT;
    const characters = this.#text.slice(this.#at, end);
    this.#at = end;
    return characters.includes("&") ? unescaped(characters) : characters;
  }

  #closed<T>(value: T, literal: string): T {
    this.#take(literal);
    return value;
  }

  #take(literal: string): void {
    if (!this.#next(literal)) throw DOUBT;
  }

  #next(literal: string): boolean {
    if (!this.#text.startsWith(literal, this.#at)) return false;
    this.#at += literal.length;
    return true;
  }

  #end(): void {
    if (this.#at !== this.#text.length) throw DOUBT;
  }
}

const UNKNOWN = /&(?!(?:amp|lt|gt|quot|#13);)/;

function unescaped(text: string): string {
  if (UNKNOWN.test(text)) throw DOUBT;
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#13;", "\r")
    .replaceAll("&amp;", "&");
}
