import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";

type Operation = {
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: "path" | "query";
    readonly example?: string;
    readonly schema: { readonly enum?: readonly string[] };
  }[];
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { schema: object }>> }>
  >;
};
type Description = {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, { readonly get: Operation }>>;
  readonly components: { readonly schemas: object };
};

const JSON_TYPE = "application/json";

/**
 * Asks a service for each page that its description tells of, sorted by each of its tables' last column, and holds the
 * answers against it. Returns the paths that were tried.
 */
export async function assertDescribed(web: string | URL): Promise<string[]> {
  const answer = await fetch(new URL("/openapi.json", web));
  assert.equal(answer.status, 200);
  const description = (await answer.json()) as Description;
  assert.equal(description.openapi, "3.1.0");
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  ajv.addSchema({ ...description, $id: "openapi" });
  const tried: string[] = [];
  for (const [path, { get }] of Object.entries(description.paths)) {
    const schema = get.responses["200"]?.content?.[JSON_TYPE]?.schema;
    const parameters = get.parameters ?? [];
    if (!schema || parameters.some((one) => one.in === "path" && one.example === undefined)) continue;
    const url = new URL(addressOf(path, parameters), web);
    for (const { name, schema } of parameters) {
      if (schema.enum) url.searchParams.set(name, schema.enum.at(-1)!);
    }
    const page = await fetch(url);
    assert.equal(page.status, 200, url.href);
    const pointer = `/paths/${path.replaceAll("~", "~0").replaceAll("/", "~1")}/get/responses/200/content/${JSON_TYPE.replace("/", "~1")}/schema`;
    const validate = ajv.getSchema(`openapi#${encodeURI(pointer)}`);
    assert.ok(validate, pointer);
    const valid = validate(await page.json());
    assert.ok(valid, `${url.href}: ${ajv.errorsText(validate.errors)}`);
    tried.push(path);
  }
  return tried;
}

function addressOf(path: string, parameters: NonNullable<Operation["parameters"]>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name) => {
    return encodeURIComponent(parameters.find((one) => one.name === name)?.example ?? "");
  });
}
