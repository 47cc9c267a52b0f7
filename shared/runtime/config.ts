import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { parseEnv } from "node:util";
import { parse, TomlError } from "smol-toml";
import type { z } from "zod";
import { OperatorError } from "../model/errors.ts";
import { type Option, optionsOf, readVariable } from "./config-options.ts";

export type ConfigSource = {
  /**
   * A TOML file. Whoever names one wants it read: a missing one is an error. Variables in a file beside it that ends in
   * .env instead, as a unit's EnvironmentFile has them, count as if they were in the environment.
   */
  readonly file?: string;
  /** The environment; its variables win over both files. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /**
   * What the service's variables begin with, without the last `_`: with "SLICELAB_AGENT" the option `listen.tls_port`
   * (or `listen.tlsPort`) is overridden by SLICELAB_AGENT_LISTEN_TLS_PORT. Every variable that begins so must be an
   * option. Lists are written `a,b,c` or as JSON, tables as JSON.
   */
  readonly prefix?: string;
  /** Variables of other names that set options, like `{ DATABASE_URL: "database" }`; they win over the file only. */
  readonly aliases?: Readonly<Record<string, string>>;
};

/** What is wrong with a configuration, for the person who wrote it: one line a mistake. Ends a start, never a request. */
export class ConfigError extends OperatorError {}

type Tree = Record<string, unknown>;

/**
 * Reads a service's configuration, from file and environment, into one frozen value. Throws a ConfigError that names
 * every wrong, missing and unknown option, where it was written, and what to write instead.
 */
export function loadConfig<Schema extends z.ZodObject>(
  schema: Schema,
  given: ConfigSource,
): z.output<Schema> {
  const source = { ...given, env: { ...variablesBeside(given.file), ...given.env } };
  const options = optionsOf(schema);
  const tree = source.file === undefined ? {} : readToml(source.file);
  const origins = new Map<string, string>();
  const mistakes = unknownInFile(tree, options, source.file);
  for (const [variable, text] of variables(source)) {
    const path = source.aliases?.[variable] ?? pathOf(variable, options, source.prefix);
    const option = options.find((candidate) => candidate.path === path);
    if (option) {
      assign(tree, option.path, readVariable(text, option.schema));
      origins.set(option.path, variable);
    } else {
      mistakes.push(
        `${variable} is not an option; there are: ${options.map((o) => variableOf(o, source.prefix)).join(", ")}`,
      );
    }
  }
  const result = schema.safeParse(tree);
  const issues = result.error?.issues.filter((issue) => !isUnknownOption(issue, options)) ?? [];
  for (const issue of issues) mistakes.push(explain(issue, tree, options, origins, source));
  if (!result.success || mistakes.length > 0) throw new ConfigError(mistakes.join("\n"));
  return deepFreeze(result.data);
}

function readToml(file: string): Tree {
  try {
    return parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof TomlError) throw new ConfigError(`${file}: ${error.message}`, { cause: error });
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(`${file} cannot be read (${code}): write it, or name another file`, {
      cause: error,
    });
  }
}

/** Whoever runs a command by hand is to mean what the service means, whose unit was given these. */
function variablesBeside(file: string | undefined): NodeJS.Dict<string> {
  if (file === undefined || extname(file) !== ".toml") return {};
  try {
    return parseEnv(readFileSync(`${file.slice(0, -".toml".length)}.env`, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EACCES") return {}; // a service that may not read it was started with it
    throw error;
  }
}

/** Aliases first, so that a variable of the service's own wins. */
function variables({ env = {}, prefix, aliases = {} }: ConfigSource): [string, string][] {
  const names = Object.keys(env).filter((name) => prefix !== undefined && name.startsWith(`${prefix}_`));
  return [...Object.keys(aliases), ...names].flatMap((name) => {
    const text = env[name];
    return text === undefined ? [] : [[name, text] as [string, string]];
  });
}

function pathOf(variable: string, options: readonly Option[], prefix?: string): string | undefined {
  return options.find((option) => variableOf(option, prefix) === variable)?.path;
}

function variableOf(option: Option, prefix?: string): string {
  return `${prefix}_${option.variable}`;
}

function assign(tree: Tree, path: string, value: unknown): void {
  const names = path.split(".");
  const last = names.pop() as string;
  let table = tree;
  for (const name of names) {
    if (!isTable(table[name])) table[name] = {}; // what else stands there has been reported
    table = table[name] as Tree;
  }
  table[last] = value;
}

function unknownInFile(tree: Tree, options: readonly Option[], file?: string, inside = ""): string[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    const path = inside + name;
    if (options.some((option) => option.path === path)) return [];
    const beneath = options.some((option) => option.path.startsWith(`${path}.`));
    if (beneath && isTable(value)) return unknownInFile(value, options, file, `${path}.`);
    if (beneath) return [`${file}: ${path} is a table: write its options under [${path}]`];
    const known = options.filter((option) => option.path.startsWith(inside)).map((option) => option.path);
    const hint = elsewhere(name, options);
    return [`${file}: ${path} is not an option${hint}; there are: ${known.join(", ")}`];
  });
}

/** In TOML what stands below a [table] is in it: easily done to an option that is put at a file's end. */
function elsewhere(name: string, options: readonly Option[]): string {
  const places = options.map(({ path }) => path).filter((path) => path.split(".").at(-1) === name);
  const [place, ...more] = places;
  if (place === undefined || more.length > 0) return "";
  const table = place.split(".").slice(0, -1).join(".");
  return table === ""
    ? `, but ${name} is: write it above the first [table]`
    : `, but ${place} is: write it under [${table}]`;
}

/** Those were told already, with the options that there are; what is unknown inside of lists was not. */
function isUnknownOption({ code, path }: z.core.$ZodIssue, options: readonly Option[]): boolean {
  return code === "unrecognized_keys" && !options.some((option) => isWithin(path.join("."), option.path));
}

function isWithin(path: string, place: string): boolean {
  return path === place || path.startsWith(`${place}.`);
}

function explain(
  issue: z.core.$ZodIssue,
  tree: Tree,
  options: readonly Option[],
  origins: ReadonlyMap<string, string>,
  source: ConfigSource,
): string {
  const path = issue.path.join(".");
  const option = options.find((candidate) => isWithin(path, candidate.path));
  const origin = (option && origins.get(option.path)) ?? source.file;
  const where = [
    source.file === undefined ? undefined : `in ${source.file}`,
    option && source.prefix !== undefined ? `as ${variableOf(option, source.prefix)}` : undefined,
  ].filter((place) => place !== undefined);
  const complaint = isMissing(tree, issue.path) ? "is missing" : issue.message;
  const meaning = option?.schema.description
    ? ` It is ${option.schema.description}.`
    : tableMeaning(path, options);
  const advice = where.length > 0 ? ` Write it ${where.join(" or ")}.` : "";
  return `${origin === undefined ? "" : `${origin}: `}${path}: ${complaint}.${meaning}${advice}`;
}

function tableMeaning(path: string, options: readonly Option[]): string {
  const inside = options.filter((option) => option.path.startsWith(`${path}.`));
  return inside.length > 0 ? ` It is a table of ${inside.map((option) => option.path).join(", ")}.` : "";
}

function isMissing(tree: Tree, path: readonly PropertyKey[]): boolean {
  let value: unknown = tree;
  for (const name of path) value = (value as Record<PropertyKey, unknown>)[name];
  return value === undefined;
}

function isTable(value: unknown): value is Tree {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value); // null in what was read from TOML
  return prototype === Object.prototype || prototype === null;
}

function deepFreeze<T>(value: T): T {
  if (Array.isArray(value) || isTable(value)) {
    for (const member of Object.values(value)) deepFreeze(member);
    Object.freeze(value);
  }
  return value;
}
