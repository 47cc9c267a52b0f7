#!/usr/bin/env node
/**
 * A client of PlanetLab version 0.5's calls, with npm's xmlrpc and nothing of Slicelab's: what v05_client.py is, for
 * Node (20 or newer).
 *
 *     node examples/v05_client.mjs DIR/testbed.json [SLICE]
 *
 * gets tickets for two nodes, makes a virtual machine on each in both of v0.5's ways, plays with keys, renews,
 * deletes, and prints each step. It is how an outside program talks to Slicelab, and it is run by the tests.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import xmlrpc from "xmlrpc";

const PATIENCE_MILLISECONDS = 60_000;

/** A client that presents somebody's certificate and verifies the server by the authority's, nothing special. */
function proxy(testbed, url, who) {
  const { hostname, port, pathname, protocol } = new URL(url);
  const address = { host: hostname, port: Number(port), path: pathname };
  if (protocol === "http:") return caller((options) => xmlrpc.createClient(options), address);
  const { cert, key } = testbed.principals[who];
  const tls = { ca: readFileSync(testbed.authority), cert: readFileSync(cert), key: readFileSync(key) };
  return caller((options) => xmlrpc.createSecureClient(options), { ...address, ...tls });
}

/** One client for each call: xmlrpc keeps what belongs to a call in the client, and ignores `timeout`. */
function caller(create, options) {
  return (method, ...params) =>
    new Promise((resolve, reject) => {
      const client = create({ ...options, signal: AbortSignal.timeout(PATIENCE_MILLISECONDS) });
      client.methodCall(method, params, (error, value) => (error ? reject(error) : resolve(value)));
    });
}

/** A ticket or lease as v0.5's programs read it: header, empty line, XML; the first element of a name. */
function text(document, name) {
  const body = document.slice(document.indexOf("\n\n") + 2);
  const [, value] = new RegExp(`<${name}>([^<]*)</${name}>`).exec(body) ?? [];
  assert.notEqual(value, undefined, `there is no ${name} in the document`);
  return value.trim();
}

function seconds(document, name) {
  return Date.parse(`${text(document, name).replace(" ", "T")}Z`) / 1000;
}

function sshKey(comment) {
  const directory = mkdtempSync(join(tmpdir(), "v05-"));
  try {
    const file = join(directory, "key");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file]);
    return { privatekey: readFileSync(file, "utf8"), publickey: readFileSync(`${file}.pub`, "utf8").trim() };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function faultOf(call) {
  const fault = await call.then(
    () => assert.fail("the call succeeded although it should have been refused"),
    (error) => error,
  );
  if (fault.faultCode === undefined) throw fault;
  return fault;
}

function step(what, ...details) {
  console.log(what.padEnd(34), ...details.map(String));
}

function withoutComment(key) {
  return key.split(" ").slice(0, 2).join(" ");
}

async function main(path, slice = "newcomer") {
  const testbed = JSON.parse(readFileSync(path, "utf8"));
  const agent = proxy(testbed, testbed.agent.tls, "alice");
  const [first, second] = testbed.nodes;

  if (testbed.agent.plain) {
    const probe = proxy(testbed, testbed.agent.plain);
    step("plain getconfig, getads", (await probe("getconfig")).maxlease, (await probe("getads")).sort());
  }
  step("getconfig", Object.keys(await agent("getconfig")).sort());
  const ads = await agent("getads");
  assert.ok(ads.includes(first.ip) && ads.includes(second.ip), String(ads));
  step("getads", ads.sort());

  const wanted = { slice, ntickets: 2, leaselen: 3600, ips: [first.ip, second.ip] };
  const granted = await agent("newtickets", wanted);
  const tickets = new Map(granted.map((ticket) => [text(ticket, "ip"), ticket]));
  assert.deepEqual([...tickets.keys()].sort(), [first.ip, second.ip].sort());
  assert.match(text(granted[0], "principle_sha1"), /^[0-9a-f]{40}$/);
  step("newtickets", [...tickets.keys()].sort());

  const keys = sshKey("slice key");
  const nodes = new Map([first, second].map(({ ip, tls }) => [ip, proxy(testbed, tls, "alice")]));
  const [one, two] = [nodes.get(first.ip), nodes.get(second.ip)];
  const leases = new Map();
  leases.set(first.ip, await one("newleasevm", { ticketdata: tickets.get(first.ip), ...keys }));
  step("newleasevm", first.ip);
  leases.set(second.ip, await two("newlease", { ticketdata: tickets.get(second.ip) }));
  assert.equal(await two("newvm", { leasedata: leases.get(second.ip), ...keys }), 1);
  step("newlease, newvm", second.ip);

  for (const [ip, lease] of leases) {
    assert.deepEqual([text(lease, "slice"), text(lease, "ip")], [slice, ip]);
    assert.equal(seconds(lease, "end_time") - seconds(lease, "start_time"), 3600);
    const node = nodes.get(ip);
    assert.ok((await node("getleases")).includes(lease));
    assert.ok((await node("getslivers")).includes(slice));
    assert.equal(await node("getprinciple", { slice }), text(lease, "principle_sha1"));
    assert.deepEqual((await node("getsshkeys", { slice })).keys, [withoutComment(keys.publickey)]);
  }
  step("getleases, getslivers, getsshkeys", "agree");

  const { publickey: other } = sshKey("a colleague's");
  assert.equal(await one("addkey", { slice, key: other }), 1);
  assert.equal((await one("getsshkeys", { slice })).numkeys, 2);
  assert.equal(await one("delkey", { slice, key: other }), 1);
  assert.equal((await one("getsshkeys", { slice })).numkeys, 1);
  assert.equal(await one("addkey", { slice, key: other }), 1);
  assert.equal(await one("nukekeys", { slice }), 1);
  assert.deepEqual((await one("getsshkeys", { slice })).keys, [withoutComment(keys.publickey)]);
  step("addkey, delkey, nukekeys", "only the slice's own key is left");

  const renewed = await one("renewlease", { slice });
  assert.ok(seconds(renewed, "end_time") > seconds(leases.get(first.ip), "end_time"));
  step("renewlease", "until", text(renewed, "end_time"));

  const [again] = await agent("newtickets", { slice, ntickets: 1, leaselen: 3600, ips: [first.ip] });
  const exists = await faultOf(one("newleasevm", { ticketdata: again, ...keys }));
  assert.match(exists.faultString, /already exists/);
  step("newleasevm again", exists.faultCode, exists.faultString);

  for (const node of nodes.values()) assert.equal(await node("deletelease", { slice }), 1);
  const gone = await faultOf(one("deletelease", { slice }));
  assert.match(gone.faultString, /does not exist/);
  step("deletelease, again", gone.faultCode, gone.faultString);

  const replay = await faultOf(one("newlease", { ticketdata: tickets.get(first.ip) }));
  assert.equal(replay.faultCode, 407);
  step("a spent ticket", replay.faultCode, replay.faultString);
  console.log("everything v0.5 could do was done");
}

const [path, slice] = process.argv.slice(2);
if (path === undefined) {
  console.error("usage: node examples/v05_client.mjs DIR/testbed.json [SLICE]");
  process.exitCode = 2;
} else await main(path, slice);
