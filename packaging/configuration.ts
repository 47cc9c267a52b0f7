import { stringify } from "smol-toml";
import { z } from "zod";

/** One configuration file as people get it to begin with: every option, each with what it means. */
export type Configuration = {
  /** What the file begins with, without `#`. */
  readonly heading: readonly string[];
  readonly schema: z.ZodObject;
  /** What to show for options by their path, such as "listen.address": instead of a default, or where there is none. */
  readonly examples: Readonly<Record<string, unknown>>;
};

type Schema = {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
};

/** A place in the file: what stands above it decides whether it is in effect or a comment. */
type Place = { readonly path: string; readonly off: boolean; readonly examples: Configuration["examples"] };

const WIDTH = 110;

/**
 * The text of the file. What must be set is in effect with an example, everything else is a comment (`#name = value`,
 * no space after the sign) that says the default or, where there is none, an example. Throws TypeError for an option
 * of which neither is known, or not what it means: such a file would leave its reader alone.
 */
export function configurationText({ heading, schema, examples }: Configuration): string {
  const tree = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Schema;
  const place = { path: "", off: false, examples };
  return [...heading.map((line) => `# ${line}`.trimEnd()), "", ...tableLines(tree, place)].join("\n");
}

/** Options first, since in TOML whatever follows a table's head belongs to that table. */
function tableLines(table: Schema, place: Place): string[] {
  const members = Object.entries(table.properties ?? {}).map(([name, schema]) => ({
    name,
    schema,
    required: table.required?.includes(name) ?? false,
    place: { ...place, path: place.path ? `${place.path}.${name}` : name },
  }));
  const isList = ({ schema, place: { path } }: Member) =>
    schema.items?.properties !== undefined && listed(place.examples[path]) === undefined;
  const options = members.filter((member) => !member.schema.properties && !isList(member));
  const tables = members.filter((member) => member.schema.properties);
  return [
    ...options.flatMap(optionLines),
    ...tables.flatMap((member) => headedLines(member, `[${member.place.path}]`, member.schema)),
    ...members
      .filter(isList)
      .flatMap((member) => headedLines(member, `[[${member.place.path}]]`, member.schema.items!)),
  ];
}

type Member = {
  readonly name: string;
  readonly schema: Schema;
  readonly required: boolean;
  readonly place: Place;
};

/** Lists of tables that are written on one line. */
function listed(example: unknown): readonly unknown[] | undefined {
  return Array.isArray(example) ? example : undefined;
}

function headedLines({ schema, required, place }: Member, head: string, members: Schema): string[] {
  const isTable = schema.properties !== undefined;
  const empty = schema.default !== undefined; // without it, a head without options says nothing wrong
  const off = place.off || !(required || (isTable && empty));
  const meaning = schema.description ? comment(schema.description) : [];
  return [...meaning, `${off ? "#" : ""}${head}`, ...tableLines(members, { ...place, off })];
}

function optionLines({ name, schema, required, place }: Member): string[] {
  const { path, off, examples } = place;
  const value = examples[path] ?? schema.default;
  if (value === undefined) throw new TypeError(`${path} has no default: give an example of it`);
  if (schema.description === undefined) throw new TypeError(`${path} does not say what it means`);
  const stated = `${off || !required ? "#" : ""}${name} = ${written(value)}`;
  return [...comment(schema.description + (required ? ". Needed" : "")), stated, ""];
}

function written(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(written).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(([name, member]) => `${name} = ${written(member)}`);
    return `{ ${members.join(", ")} }`;
  }
  return stringify({ value }).trim().replace("value = ", "");
}

function comment(text: string): string[] {
  const words = `${text.charAt(0).toUpperCase()}${text.slice(1)}.`.split(/\s+/);
  const lines = ["#"];
  for (const word of words) {
    if (`${lines.at(-1)} ${word}`.length > WIDTH) lines.push("#");
    lines.push(`${lines.pop()} ${word}`);
  }
  return lines;
}
