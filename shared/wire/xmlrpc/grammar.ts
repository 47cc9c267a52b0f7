import { refuseUnless } from "#shared/model/errors.ts";
import { SCALARS } from "./scalar.ts";
import type { Struct, Value } from "./value.ts";

/**
 * What one element of XML-RPC may hold, and what it comes to. `children` are its child elements by position, each
 * once and in this order, `least` of them required; with `repeats` the one position stands for any number of
 * children. `text`: whether it holds character data. `finish` makes its value of what its children came to and of its
 * text.
 */
export type Rule = {
  readonly element: string;
  readonly children: readonly ReadonlyMap<string, Rule>[];
  readonly repeats: boolean;
  readonly least: number;
  readonly text: boolean;
  readonly nests: boolean;
  readonly finish: (parts: unknown[], text: string) => unknown;
};

/** A fault's struct as it was read, before anybody looked at what is in it. */
export class FaultValue {
  readonly value: Value;
  constructor(value: Value) {
    this.value = value;
  }
}

type Shape = Partial<Pick<Rule, "repeats" | "least" | "text" | "nests">> & {
  readonly children?: readonly (readonly string[])[];
  readonly finish: Rule["finish"];
};

const all = (parts: unknown[]) => parts;
const only = (parts: unknown[]) => parts[0];
const own = (_: unknown[], text: string) => text;

const SHAPES: Readonly<Record<string, Shape>> = {
  methodCall: { children: [["methodName"], ["params"]], least: 1, finish: all },
  methodResponse: { children: [["params", "fault"]], least: 1, finish: all },
  methodName: { text: true, finish: own },
  params: { children: [["param"]], repeats: true, finish: all },
  param: { children: [["value"]], least: 1, finish: only },
  fault: { children: [["value"]], least: 1, finish: (parts) => new FaultValue(parts[0] as Value) },
  value: {
    children: [[...SCALARS.keys(), "array", "struct"]],
    text: true,
    finish: (parts, text) => (parts.length > 0 ? parts[0] : text),
  },
  array: { children: [["data"]], least: 1, nests: true, finish: only },
  data: { children: [["value"]], repeats: true, finish: all },
  struct: { children: [["member"]], repeats: true, nests: true, finish: structOf },
  member: { children: [["name"], ["value"]], least: 2, finish: all },
  name: { text: true, finish: own },
};

/** The two roots, from which every other rule is reached. */
export const ROOTS: { readonly methodCall: Rule; readonly methodResponse: Rule } = linked();

function linked() {
  const rules = new Map<string, Rule>();
  for (const [element, read] of SCALARS) rules.set(element, scalar(element, read));
  const rule = (element: string): Rule => {
    const known = rules.get(element);
    if (known) return known;
    const { children = [], ...shape } = SHAPES[element]!;
    const maps = children.map(() => new Map<string, Rule>());
    const made = { element, children: maps, repeats: false, least: 0, text: false, nests: false, ...shape };
    rules.set(element, made);
    children.forEach((names, position) => {
      for (const name of names) maps[position]!.set(name, rule(name));
    });
    return made;
  };
  return { methodCall: rule("methodCall"), methodResponse: rule("methodResponse") };
}

function scalar(element: string, read: (text: string) => Value): Rule {
  const finish = (_: unknown[], text: string) => read(text);
  return { element, children: [], repeats: false, least: 0, text: true, nests: false, finish };
}

function structOf(members: unknown[]): Struct {
  const struct: Struct = Object.create(null);
  for (const [name, value] of members as [string, Value][]) {
    refuseUnless(!(name in struct), "MALFORMED", `the member "${name.slice(0, 40)}" is there twice`);
    struct[name] = value;
  }
  return struct;
}
