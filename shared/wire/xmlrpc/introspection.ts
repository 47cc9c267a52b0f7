import type { z } from "zod";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Contract, Method } from "./contract.ts";
import type { Value } from "./value.ts";

const SYSTEM: Readonly<Record<string, { signature: string[][]; help: string }>> = {
  "system.listMethods": { signature: [["array"]], help: "The names of all methods." },
  "system.methodHelp": { signature: [["string", "string"]], help: "What a method does, by its name." },
  "system.methodSignature": {
    signature: [["array", "string"]],
    help: "Lists of types, by the name of a method: what it returns, then what it takes.",
  },
};

/**
 * Answers the three methods by which any XML-RPC client can ask what there is, out of the contract. NO_METHOD for
 * other names; `system.multicall` is among them, since one request is one call here.
 */
export function introspect(api: Contract, name: string, params: readonly Value[]): Value {
  if (name === "system.listMethods") return [...Object.keys(api), ...Object.keys(SYSTEM)].sort();
  if (!Object.hasOwn(SYSTEM, name)) throw noMethod(name);
  const [subject] = params;
  refuseUnless(
    typeof subject === "string" && params.length === 1,
    "MALFORMED",
    `${name} takes the name of a method`,
  );
  if (Object.hasOwn(SYSTEM, subject))
    return SYSTEM[subject]![name === "system.methodHelp" ? "help" : "signature"];
  const method = methodOf(api, subject);
  return name === "system.methodHelp" ? help(subject, method) : signature(method);
}

/** The method of that name. Throws NO_METHOD. */
export function methodOf(api: Contract, name: string): Method {
  if (!Object.hasOwn(api, name)) throw noMethod(name);
  return api[name]!;
}

function noMethod(name: string): Fault {
  return new Fault(
    "NO_METHOD",
    `there is no method "${name.slice(0, 40)}"; system.listMethods names them all`,
  );
}

function help(name: string, method: Method): string {
  const members = Object.entries(method.params.shape).map(([member, schema]) =>
    mayBeAbsent(schema) ? `${member}?` : member,
  );
  if (method.mutates) members.push("request_id?");
  return `${name}(${members.length > 0 ? `{${members.join(", ")}}` : ""}): ${method.help}`;
}

function signature(method: Method): string[][] {
  const result = wireType(method.result);
  const members = Object.values(method.params.shape);
  const signatures = members.every(mayBeAbsent) ? [[result]] : [];
  if (method.mutates || members.length > 0) signatures.push([result, "struct"]);
  return signatures;
}

function mayBeAbsent(schema: z.core.$ZodType): boolean {
  return schema._zod.optin === "optional";
}

/** The name of the XML-RPC type that a schema reads. */
function wireType(schema: z.core.$ZodType): string {
  const { def } = schema._zod as z.core.$ZodTypes["_zod"];
  switch (def.type) {
    case "number":
      return schema._zod.bag.format === "safeint" ? "int" : "double";
    case "string":
    case "boolean":
    case "array":
      return def.type;
    case "enum":
    case "template_literal":
      return "string";
    case "literal":
      return typeof def.values[0] === "number" ? "int" : typeof def.values[0];
    case "date":
      return "dateTime.iso8601";
    case "object":
    case "record":
      return "struct";
    case "tuple":
      return "array";
    case "null":
      return "nil";
    case "custom":
      return "base64";
    case "union":
      return wireType(def.options[0]!);
    case "pipe":
      return wireType(def.in);
    case "optional":
    case "nullable":
    case "default":
    case "prefault":
    case "readonly":
    case "catch":
    case "nonoptional":
      return wireType(def.innerType);
    default:
      return "undef";
  }
}
