import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { runToSuccess } from "#test/support/program.ts";
import { PROJECT, type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";
import { settledState, stateOf } from "#test/support/testbed-state.ts";

/** v0.5's calls as outside programs make them, none of which has any code of ours (WIRE.md §2). */
const CLIENTS = [
  { name: "Python's standard library", program: "python3", file: "examples/v05_client.py" },
  { name: "npm's xmlrpc", program: process.execPath, file: "examples/v05_client.mjs" },
];

/** Every step prints a line that begins with its name, in this order. */
const STEP_COLUMN = 34;
const STEPS = [
  "plain getconfig, getads",
  "getconfig",
  "getads",
  "newtickets",
  "newleasevm",
  "newlease, newvm",
  "getleases, getslivers, getsshkeys",
  "addkey, delkey, nukekeys",
  "renewlease",
  "newleasevm again",
  "deletelease, again",
  "a spent ticket",
  "everything v0.5 could do was done",
];

/** A call with the authority's certificate, and with no certificate of one's own. */
const STRANGER = `
import sys, ssl, xmlrpc.client
url, authority, method = sys.argv[1:4]
context = ssl.create_default_context(cafile=authority) if url.startswith("https") else None
try:
    print(getattr(xmlrpc.client.ServerProxy(url, context=context), method)(*map(eval, sys.argv[4:])))
except xmlrpc.client.Fault as fault:
    print(fault.faultCode, fault.faultString)
`;

const noPython = spawnSync("python3", ["--version"]).status !== 0 && "there is no python3 here";

describe("a client that knows only XML-RPC, TLS certificates and v0.5's calls", () => {
  let lab: TestbedProcess;
  before(async () => {
    lab = await testbedProcess({ nodes: 2, plain: true });
  });
  after(() => lab[Symbol.asyncDispose]());

  for (const { name, program, file } of CLIENTS) {
    const skip = spawnSync(program, ["--version"]).status !== 0 && `there is no ${program} here`;
    test(`does everything v0.5 could do: ${name}`, { skip }, async () => {
      const out = await runToSuccess(program, [join(PROJECT, file), join(lab.home, "testbed.json")]);
      const steps = out.trim().split("\n");
      assert.deepEqual(
        steps.map((line) => line.slice(0, STEP_COLUMN).trimEnd()),
        STEPS,
      );
      for (const { leases, slivers } of Object.values(await settledState(lab))) {
        assert.deepEqual([leases, slivers], [[], []]);
      }
    });
  }

  async function stranger(url: string, method: string, ...params: string[]): Promise<string> {
    const { authority } = lab.description;
    return (await runToSuccess("python3", ["-c", STRANGER, url, authority, method, ...params])).trim();
  }

  test("is refused over TLS without a certificate, even what the plain port answers", {
    skip: noPython,
  }, async () => {
    const { agent, nodes } = lab.description;
    const ticket = "{'slice': 'someone', 'ntickets': 1, 'leaselen': 60, 'ips': '0.0.0.0'}";
    const calls = [
      stranger(agent.tls, "getconfig"),
      stranger(agent.tls, "getads"),
      stranger(agent.tls, "newtickets", ticket),
      stranger(nodes[0]!.tls, "getleases"),
      stranger(nodes[0]!.tls, "deletelease", "{'slice': 'someone'}"),
    ];
    for (const answer of await Promise.all(calls)) assert.match(answer, /^200 NO_CERTIFICATE: /);
  });

  test("may look on the plain port without a certificate, and change nothing there", {
    skip: noPython,
  }, async () => {
    const { agent, nodes } = lab.description;
    const ticket = "{'slice': 'someone', 'ntickets': 1, 'leaselen': 60, 'ips': '0.0.0.0'}";
    assert.match(await stranger(agent.plain!, "getads"), /'127\.0\.1\.1'/);
    assert.equal(await stranger(nodes[0]!.plain!, "getslivers"), "[]");
    const before = await settledState(lab);
    assert.match(await stranger(agent.plain!, "newtickets", ticket), /^200 NO_CERTIFICATE: /);
    assert.match(
      await stranger(nodes[0]!.plain!, "deletelease", "{'slice': 'someone'}"),
      /^200 NO_CERTIFICATE: /,
    );
    assert.deepEqual(await stateOf(lab), before);
  });
});
