import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { initAuthority, predecessorIn } from "#services/authority/authority.ts";
import { type AuthorityService, startAuthority } from "#services/authority/service.ts";
import { parseCertificate, validityFrom } from "#shared/identity/certificate.ts";
import { loadIdentity } from "#shared/identity/identity.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { Trust } from "#shared/identity/trust.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { openLease } from "#shared/wire/lease-document.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { ANYTHING, authorityService, type TestAuthorityService } from "#test/support/authority-service.ts";
import { eventually } from "#test/support/deadline.ts";
import { type TemporaryDirectory, temporaryDirectory } from "#test/support/directory.ts";
import { type SliceLab, sliceLab } from "../services/service-manager/slice-lab.ts";

/**
 * The rehearsal of docs/guides/keys.md: one authority takes over from another while a slice lives, in the order that is
 * written there. Nothing is restarted but the authority.
 */

const BEFORE = "alice-before";

let lab: SliceLab;
let oldService: TestAuthorityService;
let directory: TemporaryDirectory;
let newService: AuthorityService | undefined;
/** The certificates of both authorities. */
let old: string;
let young: string;
let leases: string[];
let rounds = 0;

/** Where the files of each service's identity lie. */
const homes = () => ({
  agent: { home: dirname(lab.agentConfig.ticket_key), name: "agent" },
  nodes: lab.nodes.map(({ state }) => ({ home: dirname(state), name: "node" })),
  alice: { home: lab.home, name: "alice" },
});
type Home = ReturnType<typeof homes>["agent"];

async function trusts(where: readonly Home[], ...pems: readonly string[]): Promise<void> {
  for (const { home } of where) await writeFile(join(home, "ca.pem"), pems.join(""));
}

async function certifiedBy({ home, name }: Home): Promise<"old" | "young"> {
  const certificate = parseCertificate(await readFile(join(home, `${name}.crt`), "utf8"));
  if (new Trust(young).vouchesFor(certificate)) return "young";
  assert.ok(new Trust(old).vouchesFor(certificate));
  return "old";
}

/** A service has seen its files when whoever trusts only `pem` can call it and is served. */
async function eventuallyServes(
  url: string,
  expectedPeer: string,
  pem: string,
  name = "alice",
): Promise<void> {
  const at = (file: string) => join(lab.home, file);
  const { tls } = await loadIdentity({ key: at("alice.key"), cert: at(`${name}.crt`), ca: at("ca.pem") });
  await eventually(async () => {
    using connections = new Connections(clientTlsOptions({ ...tls, ca: pem }));
    const client = xmlRpcClient(agentApi, { url, connections, expectedPeer });
    await client.getconfig();
    return true;
  });
}

/** The leases that live on the nodes, as alice sees them now. */
async function liveLeases(): Promise<{ slice: string; serial: string; end: number }[]> {
  const at = (file: string) => join(lab.home, file);
  const { tls } = await loadIdentity({ key: at("alice.key"), cert: at("alice.crt"), ca: at("ca.pem") });
  using connections = new Connections(clientTlsOptions(tls));
  const all = lab.nodes.map(async ({ manager, name, identity }) => {
    const client = xmlRpcClient(nodeManagerApi, { url: manager.url, connections, expectedPeer: name });
    return (await client.getleases()).map((text) => openLease(text, identity.signingKey.public));
  });
  return (await Promise.all(all)).flat().map(({ slice, serial, term }) => ({ slice, serial, end: term.end }));
}

async function slice(...argv: string[]): Promise<void> {
  const { code, err } = await lab.slice(...argv);
  assert.equal(code, 0, `${argv.join(" ")}: ${err}`);
}

/** What must work at every step: a slice comes and goes, another is renewed and stays what it is, books are settled. */
async function everythingGoesOn(): Promise<void> {
  const name = `round${++rounds}`;
  await slice("create", name, "--nodes", "2", "--lease", "1h");
  await slice("delete", name);
  const before = (await liveLeases()).filter((lease) => lease.slice === "kept");
  await slice("renew", "kept");
  const kept = (await liveLeases()).filter((lease) => lease.slice === "kept");
  assert.deepEqual(kept.map(({ serial }) => serial).toSorted(), leases);
  assert.ok(kept.every(({ end }, at) => end >= before[at]!.end));
  await eventually(async () => (await lab.charges()).every((charge) => charge.slice === "kept"), {
    what: "nodes reporting to their agent",
  });
}

/** A call with the certificate that alice had of the old authority. */
async function calledAsBefore(url: string, expectedPeer: string): Promise<unknown> {
  const at = (file: string) => join(lab.home, file);
  const files = { key: at("alice.key"), cert: at(`${BEFORE}.crt`), ca: at("ca.pem") };
  using connections = new Connections(clientTlsOptions((await loadIdentity(files)).tls));
  return await xmlRpcClient(agentApi, { url, connections, expectedPeer }).getconfig();
}

describe("one authority takes over from another", () => {
  before(async () => {
    lab = await sliceLab({ nodes: 2 });
    directory = await temporaryDirectory();
    const agent = lab.agent.announce.agent;
    oldService = await authorityService(lab.authority, [agent]);
    await lab.stopAgent();
    Object.assign(lab.agentConfig, { authority: { url: oldService.url } });
    await lab.startAgent();
    old = lab.authority.caPem;
  });

  after(async () => {
    await lab?.[Symbol.asyncDispose]();
    await newService?.[Symbol.asyncDispose]();
    await oldService?.[Symbol.asyncDispose]();
    await directory?.[Symbol.asyncDispose]();
  });

  test("with the authority there is, a slice lives", async () => {
    await slice("create", "kept", "--nodes", "2", "--lease", "1h");
    leases = (await liveLeases()).map(({ serial }) => serial).toSorted();
    assert.equal(leases.length, 2);
    await everythingGoesOn();
    await writeFile(join(lab.home, `${BEFORE}.crt`), await readFile(join(lab.home, "alice.crt")));
  });

  test("1: another authority is made that takes over from it, and everybody trusts both", async () => {
    const own = { name: "test authority", validity: validityFrom(new Date(), 3653) };
    const takesOver = await predecessorIn(oldService.directory);
    ({ caPem: young } = await initAuthority(directory.path, { ...own, takesOver }));
    const { agent, nodes, alice } = homes();
    await trusts([agent, ...nodes], old, young);
    await trusts([alice], young, old);
    await everythingGoesOn();
    for (const one of [agent, alice]) assert.equal(await certifiedBy(one), "old");
  });

  test("2: the new one serves where the old one did", async () => {
    const { hostname, port } = new URL(oldService.url);
    await oldService.stop();
    newService = await startAuthority(
      {
        ...{ directory: directory.path, addresses: [hostname] },
        registrars: [{ key: lab.agent.announce.agent, addresses: ANYTHING }],
        ...{ longest_days: 365, list_days: 7, certificates_a_day: 1000 },
        listen: { address: hostname, tls_port: Number(port) },
      },
      { log: silentLog() },
    );
    await everythingGoesOn();
  });

  test("3: with the new one first among those it trusts, each service has itself certified again", async () => {
    const { agent, nodes } = homes();
    await trusts([agent], young, old);
    await eventually(async () => (await certifiedBy(agent)) === "young", { what: "the agent's certificate" });
    await everythingGoesOn();
    await trusts(nodes, young, old);
    for (const node of nodes)
      await eventually(async () => (await certifiedBy(node)) === "young", { what: "a node's certificate" });
  });

  test("4: people's next command has their certificates renewed", async () => {
    const { alice } = homes();
    await eventually(async () => {
      await slice("status", "kept");
      return (await certifiedBy(alice)) === "young";
    });
    await everythingGoesOn();
  });

  test("5: nobody trusts the old one any more, and the slice has lived all along", async () => {
    const { agent, nodes, alice } = homes();
    await trusts([alice, agent, ...nodes], young);
    await eventuallyServes(lab.agent.announce.tls, lab.agent.announce.agent, young);
    const services = [
      { url: lab.agent.announce.tls, name: lab.agent.announce.agent },
      ...lab.nodes.map(({ manager, name }) => ({ url: manager.url, name })),
    ];
    for (const { url, name } of services)
      await eventually(
        () =>
          assert
            .rejects(calledAsBefore(url, name), { name: "FOREIGN_CERTIFICATE" })
            .then(() => true as const),
        { what: "who has a certificate of the old authority being refused" },
      );
    await everythingGoesOn();
  });
});
