import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { runAgent } from "#services/agent/commands.ts";
import { runBroker } from "#services/broker/commands.ts";
import { loadBrokerConfig } from "#services/broker/config.ts";
import { runNodeManager } from "#services/node-manager/commands.ts";
import { loadNodeManagerConfig } from "#services/node-manager/config.ts";
import { runAdministration } from "#services/service-manager/administration/command-line.ts";
import { runServiceManager } from "#services/service-manager/service.ts";
import { certificateFacts, parseCertificate, validityFrom } from "#shared/identity/certificate.ts";
import { issueCertificate } from "#shared/identity/certificate-authority.ts";
import { publicKeyFromRequest } from "#shared/identity/certificate-request.ts";
import { peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { Trust } from "#shared/identity/trust.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { enrolmentApi } from "#shared/wire/enrolment-api.ts";
import { readInvitation, writeInvitation } from "#shared/wire/invitation.ts";
import { startXmlRpcServer } from "#shared/wire/xmlrpc/server.ts";
import { type EnrolmentLab, enrolmentLab } from "../services/agent/enrolment/enrolment-lab.ts";
import { testAuthority } from "../support/authority.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/directory.ts";

type Said = { readonly code: number; readonly out: string; readonly err: string };

describe("joining", () => {
  let here: EnrolmentLab;
  let directory: TemporaryDirectory;

  before(async () => {
    here = await enrolmentLab();
    directory = await temporaryDirectory();
    await here.lab.registry.addSite("berlin");
  });

  after(async () => {
    await here?.[Symbol.asyncDispose]();
    await directory?.[Symbol.asyncDispose]();
  });

  const at = (...names: string[]) => join(directory.path, ...names);

  async function run(
    program: typeof runServiceManager,
    home: string,
    argv: readonly string[],
    onErr: (text: string) => void = () => undefined,
  ): Promise<Said> {
    const said = { out: "", err: "" };
    const code = await program(argv, {
      out: async (text) => {
        said.out += text;
      },
      err: (text) => {
        said.err += text;
        onErr(text);
      },
      ...{ live: false, env: { SLICELAB_HOME: at(home) }, clock: here.lab.clock },
      interrupted: new AbortController().signal,
    });
    return { code, ...said };
  }

  const slice = (home: string, ...argv: string[]) => run(runServiceManager, home, argv);
  async function admin(...argv: string[]): Promise<string> {
    const { code, out, err } = await run(runAdministration, "ada", argv);
    assert.equal(code, 0, err);
    return out.trim();
  }

  /** A local command of the agent, or of a node. */
  async function local(program: typeof runAgent, ...argv: string[]): Promise<Said> {
    const said = { out: "", err: "" };
    const code = await program(argv, {
      out: (text) => {
        said.out += text;
      },
      err: (text) => {
        said.err += text;
      },
      ...{ env: {}, clock: here.lab.clock },
    });
    return { code, ...said };
  }

  test("the first administrator joins with an invitation made on the agent's machine", async () => {
    const { config } = here.lab;
    const file = at("agent.toml");
    const { key, certificate, authority } = config.identity;
    const port = new URL(here.lab.agent.announce.tls).port;
    await writeFile(
      file,
      `database = "${config.database}"\nticket_key = "${config.ticket_key}"\n[listen]\ntls_port = ${port}\n[identity]\nkey = "${key}"\ncertificate = "${certificate}"\nauthority = "${authority}"\n`,
    );
    const asked = ["--role", "administrator", "--name", "ada", "--approve", "--config", file];
    const { code, out, err } = await local(runAgent, "invitation", "create", ...asked);
    assert.equal(code, 0, err);
    const joined = await slice("ada", "join", out.trim());
    assert.equal(joined.code, 0, joined.err);
    assert.match(joined.err, /joined: /);
    assert.deepEqual(await readdir(at("ada")), ["ca.pem", "config.toml", "me.crt", "me.key"]);
    assert.equal((await stat(at("ada", "me.key"))).mode & 0o777, 0o600);
    assert.match(await admin("principal", "list"), /^ada +administrator/m);
    const again = await slice("ada", "join", out.trim());
    assert.equal(again.code, 0, "a home that is there is joined already");
    assert.match(again.err, /certified before; for another key move .*me\.key away/);
  });

  test("an administrator invites a researcher, whose slice command works at once", async () => {
    const word = await admin("invitation", "create", "--name", "eve", "--site", "berlin", "--approve");
    const joined = await slice("eve", "join", word);
    assert.equal(joined.code, 0, joined.err);
    const { code, err } = await slice("eve", "node", "list");
    assert.equal(code, 0, err);
    const used = await slice("eve2", "join", word);
    assert.match(used.err, /ALREADY_REDEEMED/);
    assert.match(await admin("invitation", "list"), /used .*eve .*1 of 1/);
  });

  test("ended anywhere, joining is run again and goes on with the same key", async () => {
    const word = await admin("invitation", "create", "--name", "crash", "--approve");
    assert.equal((await slice("crash", "join", word)).code, 0);
    const key = await readFile(at("crash", "me.key"), "utf8");
    const certificate = await readFile(at("crash", "me.crt"), "utf8");
    for (const lost of [["config.toml"], ["config.toml", "me.crt"], ["config.toml", "me.crt", "ca.pem"]]) {
      for (const name of lost) await rm(at("crash", name), { force: true });
      const { code, err } = await slice("crash", "join", word);
      assert.equal(code, 0, err);
      assert.equal(await readFile(at("crash", "me.key"), "utf8"), key);
      assert.equal(await readFile(at("crash", "me.crt"), "utf8"), certificate);
    }
  });

  test("whoever has lost a key joins with a new invitation, in the home there is; without one nothing is claimed", async () => {
    const word = await admin("invitation", "create", "--name", "lost", "--approve");
    assert.equal((await slice("lost", "join", word)).code, 0);
    const before = await readFile(at("lost", "me.crt"), "utf8");
    const config = await readFile(at("lost", "config.toml"), "utf8");
    await rm(at("lost", "me.key"));
    const refused = await slice("lost", "join", word);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /ALREADY_REDEEMED/);
    assert.equal((await slice("lost", "node", "list")).code, 1, "the new key is not certified");
    const another = await admin("invitation", "create", "--name", "lost2", "--approve");
    const joined = await slice("lost", "join", another);
    assert.equal(joined.code, 0, joined.err);
    assert.notEqual(await readFile(at("lost", "me.crt"), "utf8"), before);
    assert.equal(await readFile(at("lost", "config.toml"), "utf8"), config);
    const { code, err } = await slice("lost", "node", "list");
    assert.equal(code, 0, err);
  });

  test("somebody with what anybody may be told waits, is listed, and is approved by name or refused", async () => {
    const word = await admin("invitation", "public");
    assert.equal(readInvitation(word).secret, undefined);
    const asked = Promise.withResolvers<void>();
    const argv = ["join", word, "--name", "walter", "--note", "of room 12"];
    const joined = run(runServiceManager, "walter", argv, (text) => {
      if (text.includes("has to approve")) asked.resolve();
    });
    await asked.promise;
    assert.match(await admin("enrolment", "list"), /waiting +person +walter .*of room 12/);
    await admin("enrolment", "approve", "walter", "--role", "researcher", "--site", "berlin");
    assert.equal((await joined).code, 0);
    assert.match(await admin("principal", "list"), /^walter +researcher +berlin/m);
    assert.doesNotMatch(await admin("enrolment", "list"), /walter/);
  });

  test("a node joins: certified, accepted, and configured to give three quarters of its machine to the agent", async () => {
    const ip = "10.9.8.7";
    const invited = ["--kind", "node", "--name", "n7", "--address", ip, "--site", "berlin", "--approve"];
    const word = await admin("invitation", "create", ...invited);
    const paths = ["--dir", at("node"), "--state", at("node-state")];
    const argv = ["join", word, "--ip", ip, ...paths, "--engine", "simulated", "--slivers", "7"];
    const { code, out, err } = await local(runNodeManager, ...argv);
    assert.equal(code, 0, err);
    assert.equal(out.trim(), at("node", "node-manager.toml"));
    const config = loadNodeManagerConfig({ file: out.trim(), env: {} });
    assert.deepEqual([config.ip, config.engines, config.capacity.slivers], [ip, ["simulated"], 7]);
    const { url, identity } = config.agents[0]!;
    assert.deepEqual([url, identity], [here.lab.agent.announce.tls, here.lab.agent.announce.agent]);
    assert.match(await admin("node", "list"), /^n7 +10\.9\.8\.7 +berlin/m);
    assert.equal((await local(runNodeManager, ...argv)).code, 0, "and again");
    const mistyped = await local(runNodeManager, ...argv.with(3, "10.9.8.6"));
    assert.equal(mistyped.code, 1);
    assert.match(mistyped.err, /is certified for 10\.9\.8\.7, and you say 10\.9\.8\.6/);
    await writeFile(out.trim(), (await readFile(out.trim(), "utf8")).replace(identity, "0".repeat(64)));
    const changed = await local(runNodeManager, ...argv);
    assert.equal(changed.code, 1);
    assert.match(changed.err, /does not name the agent[\s\S]*\[\[agents\]\]/);

    const { authority, caPem } = await testAuthority();
    await writeFile(at("node", "ca.pem"), caPem);
    const elsewhere = await local(runNodeManager, ...argv);
    assert.match(elsewhere.err, /another consortium/, "an invitation does not change whom a node believes");
    const read = readInvitation(word);
    const authorities = [authority.key.public.name, ...read.authorities];
    await writeFile(at("node", "node-manager.crt"), "what it serves with");
    const both = await local(runNodeManager, ...argv.with(1, writeInvitation({ ...read, authorities })));
    assert.match(both.err, /the certificate that the agent gave is of no authority in/);
    assert.equal(await readFile(at("node", "node-manager.crt"), "utf8"), "what it serves with");
    assert.equal(await readFile(at("node", "ca.pem"), "utf8"), caPem);
  });

  test("a node that says another address than its invitation is refused, and joins with the right one", async () => {
    const invited = ["--kind", "node", "--name", "n8", "--address", "10.9.8.8", "--site", "berlin"];
    const word = await admin("invitation", "create", ...invited, "--approve");
    const paths = ["--dir", at("node8"), "--state", at("node8-state"), "--engine", "simulated"];
    const joinAs = (ip: string) => local(runNodeManager, "join", word, "--ip", ip, ...paths);
    const mistyped = await joinAs("10.9.8.80");
    assert.equal(mistyped.code, 1);
    assert.match(mistyped.err, /the invitation is for 10\.9\.8\.8, and you say 10\.9\.8\.80/);
    assert.ok(!existsSync(at("node8", "node-manager.toml")));
    const { code, err } = await joinAs("10.9.8.8");
    assert.equal(code, 0, err);
  });

  test("a node that may not write where it is to be is told the path, why and what to do, before it uses its invitation", async () => {
    const invited = ["--kind", "node", "--name", "n9", "--address", "10.9.8.9", "--site", "berlin"];
    const word = await admin("invitation", "create", ...invited, "--approve");
    const paths = ["--dir", at("node9", "etc"), "--state", at("node9-state"), "--engine", "simulated"];
    const joins = () => local(runNodeManager, "join", word, "--ip", "10.9.8.9", ...paths);
    await mkdir(at("node9"), { mode: 0o755 });
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    else await chmod(at("node9"), 0o555);
    const refused = await joins().finally(() => isRoot && process.seteuid?.(0));
    assert.equal(refused.code, 1);
    assert.match(
      refused.err,
      new RegExp(`${at("node9", "etc")} cannot be written .*permission denied.*run this as root, or name`),
    );
    await chmod(at("node9"), 0o755);
    const { code, err } = await joins();
    assert.equal(code, 0, err);
  });

  test("a broker joins: certified for its address, and configured to ask the agent; what is there already is not changed", async () => {
    const address = "10.9.8.5";
    const invited = ["--kind", "service", "--name", "broker", "--address", address, "--approve"];
    const word = await admin("invitation", "create", ...invited);
    const argv = ["join", word, "--address", address, "--dir", at("etc"), "--state", at("broker")];
    const joined = await local(runBroker, ...argv, "--redis", "redis://127.0.0.1:6379");
    assert.equal(joined.code, 0, joined.err);
    const file = at("etc", "broker.toml");
    assert.equal(joined.out.trim(), file);
    const config = loadBrokerConfig(file, {});
    const { announce } = here.lab.agent;
    assert.deepEqual(config.agents, [{ identity: announce.agent, url: announce.tls }]);
    assert.deepEqual([config.listen.address, config.redis], [address, "redis://127.0.0.1:6379"]);
    assert.equal((await stat(at("broker", "broker.key"))).mode & 0o777, 0o600);
    const facts = certificateFacts(parseCertificate(await readFile(config.identity.certificate, "utf8")));
    assert.deepEqual([facts.name, facts.kind, facts.addresses], ["broker", "server", [address]]);
    const lines = `url = "https://${address}:9001/RPC2"\nidentity = "${facts.key.name}"\n`;
    assert.ok(joined.err.includes(lines), "what researchers need is told");
    assert.doesNotMatch(await admin("principal", "list"), /^broker/m, "it is no principal");

    const written = await readFile(file, "utf8");
    const again = await local(runBroker, ...argv);
    assert.equal(again.code, 0, again.err);
    assert.equal(await readFile(file, "utf8"), written);
    await writeFile(file, written.replace(announce.agent, "0".repeat(64)));
    const changed = await local(runBroker, ...argv);
    assert.equal(changed.code, 1);
    assert.match(changed.err, /does not name the agent; add to it:[\s\S]*\[\[agents\]\]/);
    const mistyped = await local(runBroker, ...argv.with(3, "10.9.8.4"), "--dir", at("etc2"));
    assert.equal(mistyped.code, 1);
    assert.match(mistyped.err, /is certified for 10\.9\.8\.5, and you say 10\.9\.8\.4/);
    assert.ok(!existsSync(at("etc2", "broker.toml")));

    assert.equal((await stat(file)).mode & 0o777, 0o644);
    const database = "postgresql://broker:secret@db.example.org/slicelab";
    const secret = await local(runBroker, ...argv, "--dir", at("etc3"), "--database", database);
    assert.equal(secret.code, 0, secret.err);
    assert.equal((await stat(at("etc3", "broker.toml"))).mode & 0o777, 0o600);
    assert.match(secret.err, /has a password in it, so nobody but its owner can read it: .*chown slicelab: /);
  });

  test("a server of another authority in the agent's place is told nothing, not even with a true copy of ours", async () => {
    const other = await testAuthority();
    const identity = await other.server("agent");
    const told: string[] = [];
    const { authority } = here.lab;
    for (const shown of [[other.caPem], [authority.caPem], [other.caPem, authority.caPem]]) {
      const handlers = {
        getauthority: () => shown,
        enrol: () => {
          told.push("enrol");
          return { id: "0".repeat(32), state: "waiting" as const };
        },
        getenrolment: () => {
          throw new OperatorError("nobody asks");
        },
      };
      await using server = await startXmlRpcServer(enrolmentApi, handlers, {
        ...{ clock: here.lab.clock, log: silentLog() },
        tls: { host: "127.0.0.1", port: 0, options: serverTlsOptions(identity.tls) },
        authenticate: (socket) => peerOf(socket, { now: new Date() }),
      });
      const genuine = readInvitation(await admin("invitation", "create", "--approve"));
      const home = `man-in-the-middle-${shown.length}-${told.length}`;
      const { code, err } = await slice(home, "join", writeInvitation({ ...genuine, url: server.url }));
      assert.notEqual(code, 0);
      assert.match(err, /somebody is in the agent's place|could not be made secure/);
      assert.ok(!existsSync(at(home, "config.toml")));
    }
    assert.deepEqual(told, [], "the secret was never sent");
  });

  test("an agent makes nobody believe an authority that the invitation does not name; whoever joins is told of it", async () => {
    const { authority } = here.lab;
    const other = await testAuthority();
    const { tls } = await authority.server("agent");
    let issuer = authority.authority;
    const certificates = new Map<string, string>();
    const id = "0".repeat(32);
    const authorities = [other.caPem, authority.caPem];
    const handlers = {
      getauthority: () => authorities,
      enrol: ({ csr }: { csr: string }) => {
        const terms = { name: "x", kind: "client", validity: validityFrom(new Date(), 30) } as const;
        certificates.set(id, issueCertificate(issuer, publicKeyFromRequest(csr), terms).certPem);
        return { id, state: "approved" as const };
      },
      getenrolment: () => ({
        ...{ state: "approved" as const, reason: null, certificate: certificates.get(id)!, authorities },
        agent: { url: server.url, identity: id + id },
      }),
    };
    await using server = await startXmlRpcServer(enrolmentApi, handlers, {
      ...{ clock: here.lab.clock, log: silentLog() },
      tls: { host: "127.0.0.1", port: 0, options: serverTlsOptions(tls) },
      authenticate: (socket) => peerOf(socket, { now: new Date() }),
    });
    const genuine = readInvitation(await admin("invitation", "create"));
    const invitation = { ...genuine, url: server.url };
    const key = (pem: string) => new Trust(pem).keys[0]!.name;
    assert.deepEqual(genuine.authorities, [key(authority.caPem)]);
    const joined = await slice("rooted", "join", writeInvitation(invitation));
    assert.equal(joined.code, 0, joined.err);
    assert.match(joined.err, new RegExp(`does not name.*key ${key(other.caPem)}`));
    assert.deepEqual(
      new Trust(await readFile(at("rooted", "ca.pem"), "utf8")).keys.map(({ name }) => name),
      [key(authority.caPem)],
    );

    const both = { ...invitation, authorities: authorities.map(key) };
    const trusting = await slice("rooted2", "join", writeInvitation(both));
    assert.doesNotMatch(trusting.err, /does not name/);
    assert.equal(new Trust(await readFile(at("rooted2", "ca.pem"), "utf8")).keys.length, 2);

    issuer = other.authority;
    const foreign = await slice("rooted3", "join", writeInvitation(invitation));
    assert.match(foreign.err, /of no authority your invitation names/);
    assert.ok(!existsSync(at("rooted3", "ca.pem")));
  });

  test("what is no invitation is refused before anything is made", async () => {
    for (const word of ["hello", "slicelab1.", "slicelab1.e30", `slicelab1.${"A".repeat(5000)}`]) {
      const { code, err } = await slice("none", "join", word);
      assert.equal(code, 1);
      assert.match(err, /not an invitation/);
    }
    assert.ok(!existsSync(at("none")));
    await mkdir(at("taken"));
    await writeFile(
      at("taken", "config.toml"),
      'authority = "a"\nkey = "b"\ncertificate = "c"\n[[agents]]\nurl = "https://a.example:1/RPC2"\n',
    );
    const { err } = await slice("taken", "join", await admin("invitation", "public"));
    assert.match(err, /there already, for another agent/);
  });

  test("where no authority serves, an administrator approves with a certificate issued by hand", async () => {
    Object.assign(here.lab.config, { authority: undefined });
    await here.lab.restart();
    const { authority: ours } = here.lab.authority;
    const word = await admin("invitation", "public");
    const asked = Promise.withResolvers<void>();
    const joined = run(runServiceManager, "hand", ["join", word, "--name", "hand"], () => asked.resolve());
    await asked.promise;
    const alone = await run(runAdministration, "ada", ["enrolment", "approve", "hand", "--role", "pi"]);
    assert.match(alone.err, /no authority serves/);
    const csr = await admin("enrolment", "request", "hand");
    const key = publicKeyFromRequest(csr);
    const terms = { name: "hand", kind: "client", validity: validityFrom(new Date(), 30) } as const;
    const other = await testAuthority();
    const certificates = {
      foreign: issueCertificate(other.authority, key, terms).certPem,
      another: here.lab.alice.certPem,
      good: issueCertificate(ours, key, terms).certPem,
    };
    const approve = async (name: keyof typeof certificates) => {
      await writeFile(at(`${name}.crt`), certificates[name]);
      const argv = ["enrolment", "approve", "hand", "--role", "pi", "--certificate", at(`${name}.crt`)];
      return await run(runAdministration, "ada", argv);
    };
    assert.match((await approve("foreign")).err, /no authority that this agent believes/);
    assert.match((await approve("another")).err, /another key/);
    assert.equal((await approve("good")).code, 0);
    assert.equal((await joined).code, 0);
  });
});
