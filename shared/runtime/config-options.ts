import { z } from "zod";

/** What JSON Schema says of an option: enough to read a variable's text as what the option holds. */
type JsonSchema = {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
};

/** One thing that can be configured: `path` as in TOML (`listen.tls_port`), `variable` as LISTEN_TLS_PORT. */
export type Option = { readonly path: string; readonly variable: string; readonly schema: JsonSchema };

/** Every option of a configuration. Tables with names of their own choosing (records) are one option. */
export function optionsOf(schema: z.ZodObject): Option[] {
  return beneath(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema, []);
}

function beneath(schema: JsonSchema, names: readonly string[]): Option[] {
  if (schema.properties) {
    return Object.entries(schema.properties).flatMap(([name, inner]) => beneath(inner, [...names, name]));
  }
  return [{ path: names.join("."), variable: names.map(upperCase).join("_"), schema }];
}

function upperCase(name: string): string {
  return name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, "_").toUpperCase();
}

/** A variable's text as what the option holds; text that does not fit stays text, for the schema to refuse. */
export function readVariable(text: string, schema: JsonSchema): unknown {
  switch (schema.type) {
    case "number":
    case "integer":
      return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
    case "boolean":
      return text === "true" || (text === "false" ? false : text);
    case "array":
      return text.trimStart().startsWith("[") ? readJson(text) : readList(text, schema.items ?? {});
    case "object":
      return readJson(text);
    default:
      return text;
  }
}

function readList(text: string, items: JsonSchema): unknown[] {
  return text.trim() === "" ? [] : text.split(",").map((element) => readVariable(element.trim(), items));
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}
