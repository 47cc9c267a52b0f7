import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { ConfigError, type ConfigSource, loadConfig } from "#shared/runtime/config.ts";
import { temporaryDirectory } from "#test/support/directory.ts";

const schema = z.object({
  database: z.string(),
  overbooking: z.number().min(1).default(1),
  agents: z.array(z.string()).default([]),
  ports: z.array(z.int()).default([]),
  plain: z.boolean().default(false),
  tags: z.record(z.string(), z.string()).default({}),
  listen: z
    .object({
      address: z.string().default("127.0.0.1"),
      tlsPort: z.int().min(0).max(65535).default(7001).describe("the port of XML-RPC over TLS"),
    })
    .prefault({}),
});

const DEFAULTS = {
  database: "d",
  overbooking: 1,
  agents: [],
  ports: [],
  plain: false,
  tags: {},
  listen: { address: "127.0.0.1", tlsPort: 7001 },
};

async function load(toml: string, source: ConfigSource = {}) {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "agent.toml");
  writeFileSync(file, toml);
  return loadConfig(schema, { prefix: "SLICELAB_AGENT", ...source, file });
}

function refuses(toml: string, source: ConfigSource, ...sayings: RegExp[]) {
  return assert.rejects(load(toml, source), (error: ConfigError) => {
    assert.ok(error instanceof ConfigError, String(error));
    for (const saying of sayings) assert.match(error.message, saying);
    return true;
  });
}

test("variables in the .env beside a file count for commands by hand, after those of the environment", async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "agent.toml");
  writeFileSync(file, 'database = "file"\n');
  writeFileSync(
    join(directory.path, "agent.env"),
    "DATABASE_URL=beside\nSLICELAB_AGENT_PLAIN=true\nOTHER=x\n",
  );
  const source = { file, prefix: "SLICELAB_AGENT", aliases: { DATABASE_URL: "database" } };
  assert.deepEqual(loadConfig(schema, source), { ...DEFAULTS, database: "beside", plain: true });
  const env = { SLICELAB_AGENT_PLAIN: "false", DATABASE_URL: "given" };
  assert.deepEqual(loadConfig(schema, { ...source, env }), { ...DEFAULTS, database: "given" });
});

test("a file is read, and what it leaves out has its default", async () => {
  assert.deepEqual(await load('database = "d"'), DEFAULTS);
  const config = await load('database = "d"\nagents = ["a"]\n[listen]\ntlsPort = 1\n[tags]\nsite = "x"');
  assert.deepEqual(config, {
    ...DEFAULTS,
    agents: ["a"],
    tags: { site: "x" },
    listen: { address: "127.0.0.1", tlsPort: 1 },
  });
});

test("the environment alone is enough, and each kind of option is read as what it is", () => {
  const env = {
    DATABASE_URL: "elsewhere",
    SLICELAB_AGENT_LISTEN_TLS_PORT: "0",
    SLICELAB_AGENT_AGENTS: "a, b",
    SLICELAB_AGENT_PORTS: "1,2",
    SLICELAB_AGENT_PLAIN: "true",
    SLICELAB_AGENT_TAGS: '{"site":"x"}',
    SLICELAB_BROKER_PLAIN: "nonsense",
    HOME: "/",
  };
  const config = loadConfig(schema, { env, prefix: "SLICELAB_AGENT", aliases: { DATABASE_URL: "database" } });
  assert.deepEqual(config, {
    ...DEFAULTS,
    database: "elsewhere",
    agents: ["a", "b"],
    ports: [1, 2],
    plain: true,
    tags: { site: "x" },
    listen: { address: "127.0.0.1", tlsPort: 0 },
  });
});

test("a variable of the service's own wins over an alias, which wins over the file", async () => {
  const aliases = { DATABASE_URL: "database" };
  const alias = await load('database = "file"', { env: { DATABASE_URL: "alias" }, aliases });
  assert.equal(alias.database, "alias");
  const env = { DATABASE_URL: "alias", SLICELAB_AGENT_DATABASE: "own" };
  assert.equal((await load('database = "file"', { env, aliases })).database, "own");
});

test("a configuration cannot be changed after it was read", async () => {
  const config = await load('database = "d"');
  assert.throws(() => Object.assign(config.listen, { tlsPort: 1 }), TypeError);
  assert.throws(() => config.agents.push("x"), TypeError);
});

test("a wrong value is refused by name, with where it stands and what it means", async () => {
  await refuses(
    'database = "d"\n[listen]\ntlsPort = 70000',
    {},
    /agent\.toml: listen\.tlsPort: .*65535/,
    /It is the port of XML-RPC over TLS\./,
    /Write it in .*agent\.toml or as SLICELAB_AGENT_LISTEN_TLS_PORT\./,
  );
  const env = { SLICELAB_AGENT_OVERBOOKING: "twice", SLICELAB_AGENT_TAGS: "{", SLICELAB_AGENT_PLAIN: "yes" };
  await refuses(
    'database = "d"',
    { env },
    /^SLICELAB_AGENT_OVERBOOKING: overbooking: .*expected number/m,
    /^SLICELAB_AGENT_TAGS: tags: .*expected record/m,
    /^SLICELAB_AGENT_PLAIN: plain: .*expected boolean/m,
  );
});

test("a missing option is refused by name, with where to write it", async () => {
  await refuses("", {}, /database: .*Write it in .*agent\.toml or as SLICELAB_AGENT_DATABASE\./);
});

test("what is missing is called missing, and of a table all that belongs in it is named", () => {
  const identity = z.strictObject({ key: z.string(), certificate: z.string() });
  assert.throws(
    () =>
      loadConfig(z.strictObject({ database: z.string(), identity }), { env: {}, prefix: "SLICELAB_AGENT" }),
    {
      message: `database: is missing. Write it as SLICELAB_AGENT_DATABASE.
identity: is missing. It is a table of identity.key, identity.certificate.`,
    },
  );
});

test("an unknown option is refused once, and one inside of a list, too", async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "agent.toml");
  const strict = z.strictObject({ agents: z.array(z.strictObject({ url: z.string() })).default([]) });
  writeFileSync(file, 'agent = 1\n[[agents]]\nurl = "u"\nname = "n"');
  assert.throws(() => loadConfig(strict, { file }), {
    message: `${file}: agent is not an option; there are: agents
${file}: agents.0: Unrecognized key: "name". Write it in ${file}.`,
  });
});

test("unknown options are refused wherever they are written, with those that there are", async () => {
  await refuses('database = "d"\nextra = 1', {}, /agent\.toml: extra is not an option; .*overbooking/);
  await refuses(
    'database = "d"\n[listen]\ntls = 1',
    {},
    /listen\.tls is not an option; there are: listen\.address, listen\.tlsPort$/,
  );
  await refuses(
    'database = "d"\n[listen]\noverbooking = 1',
    {},
    /listen\.overbooking is not an option, but overbooking is: write it above the first \[table\]; there are/,
  );
  await refuses(
    'database = "d"\ntlsPort = 1',
    {},
    /tlsPort is not an option, but listen\.tlsPort is: write it under \[listen\]; there are/,
  );
  const env = { SLICELAB_AGENT_LISTEN_TLS_PORT: "1" };
  await refuses(
    'database = "d"\nlisten = 1',
    { env },
    /listen is a table: write its options under \[listen\]/,
  );
  await refuses(
    'database = "d"',
    { env: { SLICELAB_AGENT_LISTEN_PORT: "1" } },
    /SLICELAB_AGENT_LISTEN_PORT is not an option; .*SLICELAB_AGENT_LISTEN_TLS_PORT/,
  );
});

test("a file that is no TOML is refused with the line, a missing one by name", async () => {
  await refuses('database = "d"\n= 1', {}, /agent\.toml: /, /2:/);
  assert.throws(
    () => loadConfig(schema, { file: "/nowhere/agent.toml" }),
    /\/nowhere\/agent\.toml cannot be read \(ENOENT\)/,
  );
});
