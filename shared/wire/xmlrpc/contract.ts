import { z } from "zod";
import { refuseUnless } from "#shared/model/errors.ts";
import { isStruct, type Struct, type Value } from "./value.ts";

/**
 * One method of a service, as server and client both know it. Methods take nothing or one struct, as v0.5's did:
 * `params` names its members. Make it with `method`.
 */
export type Method<
  P extends z.ZodObject = z.ZodObject,
  R extends z.ZodType = z.ZodType,
  Plain extends boolean = boolean,
  Mutates extends boolean = boolean,
  Open extends boolean = boolean,
> = {
  readonly params: P;
  readonly result: R;
  readonly help: string;
  readonly plain: Plain;
  readonly open: Open;
  readonly mutates: Mutates;
  readonly signed: boolean;
  readonly mixed: boolean;
};

/** All methods of a service by their names. Make it with `contract`. */
export type Contract = { readonly [method: string]: Method };

/** What one method is declared with. */
export type MethodTerms<P, R, Plain, Mutates, Open> = {
  /** Members of the one struct. Strict: a member that is not declared is refused. Absent: no members. */
  readonly params?: P;
  /** What clients check an answer against; servers are held to it by types alone. */
  readonly result: R;
  /** One or two sentences for `system.methodHelp`. */
  readonly help: string;
  /** Callable without a certificate on the plain port, where there is one. Such a method cannot mutate unless `mixed`. */
  readonly plain?: Plain;
  /**
   * Callable over TLS by whoever has no certificate yet. Such a method takes no `request_id`: who asks again is known
   * by what is asked.
   */
  readonly open?: Open;
  /** Plain and mutating both: its handler changes nothing for a caller without a key. */
  readonly mixed?: true;
  /** Changes something, and so takes an optional `request_id` (see `Replay`). */
  readonly mutates?: Mutates;
  /** Whether its handler learns the signing principal from a document and must tell `Replay.signedBy`. */
  readonly signed?: boolean;
};

const NO_MEMBERS = z.strictObject({});

export function method<
  R extends z.ZodType,
  P extends z.ZodObject = typeof NO_MEMBERS,
  Plain extends boolean = false,
  Mutates extends boolean = false,
  Open extends boolean = false,
>(
  terms: MethodTerms<P, R, Plain, Mutates, Open>,
): Method<NoInfer<P>, R, NoInfer<Plain>, NoInfer<Mutates>, NoInfer<Open>> {
  return {
    params: (terms.params ?? NO_MEMBERS).strict() as unknown as P,
    result: terms.result,
    help: terms.help,
    plain: (terms.plain ?? false) as Plain,
    open: (terms.open ?? false) as Open,
    mutates: (terms.mutates ?? false) as Mutates,
    signed: terms.signed ?? false,
    mixed: terms.mixed ?? false,
  };
}

/**
 * The contract of one service. Its server and its client are both derived from it.
 *
 *     export const nodeManagerApi = contract({
 *       newlease: method({
 *         params: z.object({ ticketdata: z.string() }),
 *         result: z.string(),
 *         help: "Redeems a ticket: makes the virtual machine and returns the signed lease.",
 *         mutates: true,
 *       }),
 *       getslivers: method({ result: z.array(z.string()), help: "Names of the slices here.", plain: true }),
 *     });
 */
export function contract<C extends Contract>(methods: C): C {
  for (const [name, { plain, open, mutates, mixed, params }] of Object.entries(methods)) {
    if (name.startsWith("system.")) throw new TypeError(`${name}: names in system. are the server's own`);
    if (plain && mutates && !mixed) throw new TypeError(`${name}: a plain method cannot mutate`);
    if (open && (plain || mutates))
      throw new TypeError(`${name}: an open method is neither plain nor takes a request_id`);
    if ("request_id" in params.shape) throw new TypeError(`${name}: request_id belongs to the server`);
  }
  return Object.freeze({ ...methods });
}

/** The type without anything in it being writable, so that a handler may return what it must not change. */
export type Frozen<T> = T extends Date | Uint8Array
  ? T
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

/** The one struct a call came with, or an empty one. */
export function onlyStruct(name: string, params: readonly Value[]): Struct {
  const [struct = {}] = params;
  refuseUnless(
    params.length <= 1 && isStruct(struct),
    "MALFORMED",
    `${name} takes nothing or one struct of named members`,
  );
  return struct;
}

/** Checks a value against a schema. MALFORMED names the first member that does not fit, after `what`. */
export function checked<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const outcome = schema.safeParse(value);
  refuseUnless(outcome.success, "MALFORMED", `${what}: ${outcome.success || explain(outcome.error)}`);
  return outcome.data;
}

function explain(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue?.code === "unrecognized_keys") {
    return `there is no member called ${issue.keys.map((key) => JSON.stringify(key.slice(0, 40))).join(", ")}`;
  }
  const place = issue?.path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`))
    .join("");
  return `${place ? `${place.replace(/^\./, "")}: ` : ""}${issue?.message}`;
}
