import { z } from "zod";
import { Fault, refuseUnless } from "../model/errors.ts";

/** The few shapes that elements of a description have, over the tree that description-xml.ts makes. */

type Context<T> = z.core.$RefinementCtx<T>;

/** A reader as zod takes it: the fault it throws becomes an issue that keeps its name. */
export function reading<I, O>(reader: (input: I) => O) {
  return (input: I, context: Context<I>): O => {
    try {
      return reader(input);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      context.addIssue({ code: "custom", message: error.sentence, params: { fault: error.name } });
      return z.NEVER;
    }
  };
}

/** A text or attribute that must be there, as `reader` understands it. */
export function value<T>(reader: (text: string) => T) {
  return z.string().transform(reading(reader));
}

/** A reader that takes a text as it is, unless a rule refuses it. */
export function matching(rule: (text: string) => boolean, sentence: string) {
  return (text: string): string => {
    refuseUnless(rule(text), "MALFORMED", sentence);
    return text;
  };
}

/** A reader of a word from a closed list. */
export function oneOf<T extends string>(choices: readonly T[]) {
  return (text: string): T => {
    const choice = choices.find((choice) => choice === text);
    refuseUnless(choice, "MALFORMED", `it is one of ${choices.join(", ")}`);
    return choice;
  };
}

/** A rule over all of what was read. */
export function rule<T>(holds: (value: T) => boolean, sentence: string) {
  return (value: T, context: Context<T>) => {
    if (!holds(value)) context.addIssue({ code: "custom", message: sentence });
  };
}

/** A rule over all of what was read that says itself what is wrong, and at which element below. */
export function faultless<T>(look: (value: T) => { path: PropertyKey[]; sentence: string } | undefined) {
  return (value: T, context: Context<T>) => {
    const found = look(value);
    if (found) context.addIssue({ code: "custom", message: found.sentence, path: found.path });
  };
}

/** Children by name, and no others: the message about another lists these. */
export function children<S extends z.core.$ZodLooseShape>(shape: S) {
  const known = Object.keys(shape).map((name) => `<${name}>`);
  return z.strictObject(shape, {
    error: (issue) => (issue.code === "unrecognized_keys" ? known.join(", ") : undefined),
  });
}

/** An element that holds text alone. */
export function textOf<T>(reader: (text: string) => T) {
  return z.strictObject({ "#text": value(reader) }).transform((element) => element["#text"]);
}

/** Exactly one such element; `.optional()` makes it at most one. */
export function one<S extends z.ZodType>(element: S) {
  return z.tuple([element]).transform(([only]) => only);
}

/** Any number of such elements, none too. */
export function many<S extends z.ZodType>(element: S) {
  return z.array(element).optional();
}

/** Without members that are absent, so that what is read equals what was written. */
export function present<T extends object>(members: T): T {
  return Object.fromEntries(Object.entries(members).filter(([, member]) => member !== undefined)) as T;
}
