import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import type { IdentityFiles } from "#shared/identity/identity.ts";
import {
  type TestAuthority,
  type TestIdentity,
  testAuthority,
  writeIdentity,
} from "#test/support/authority.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runProgram } from "#test/support/program.ts";
import { type PeerServer, type Seen, startPeerServer } from "./peer-server.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n";

let authority: TestAuthority;
let node: TestIdentity;
let alice: TestIdentity;

before(async () => {
  authority = await testAuthority();
  [node, alice] = await Promise.all([authority.server("node-1"), authority.client("alice")]);
});

function peerServer(): Promise<PeerServer> {
  return startPeerServer(node.tls, () => ({ now: new Date() }));
}

/** One request by `openssl s_client`, and what both sides say of it. */
async function askByOpenssl(server: PeerServer, files: IdentityFiles, args: readonly string[]) {
  const { out } = await runProgram(
    "openssl",
    [
      ...["s_client", "-connect", `127.0.0.1:${server.port}`, "-ign_eof"],
      ...["-key", files.key, "-cert", files.cert, "-CAfile", files.ca, ...args],
    ],
    { input: REQUEST, keepInputOpen: true },
  );
  const body = /^\{.*\}/m.exec(out)?.[0] ?? "{}";
  return { out, handshakes: out.match(/^(New|Reused), TLS/gm) ?? [], seen: JSON.parse(body) as Seen };
}

for (const version of ["tls1_2", "tls1_3"]) {
  test(`a session saved by openssl is not resumed (${version})`, async () => {
    await using server = await peerServer();
    await using directory = await temporaryDirectory();
    const files = await writeIdentity(directory.path, "alice", alice.tls);
    const session = join(directory.path, "session.pem");
    const first = await askByOpenssl(server, files, [`-${version}`, "-sess_out", session]);
    assert.ok(existsSync(session), "openssl had a session to come back with");
    const second = await askByOpenssl(server, files, [`-${version}`, "-sess_in", session]);
    assert.deepEqual([first.handshakes, second.handshakes], [["New, TLS"], ["New, TLS"]]);
    assert.deepEqual([second.seen.name, second.seen.resumed], [alice.name, false]);
  });

  test(`a session saved by openssl doesn't bring a key back in without its certificate (${version})`, async () => {
    await using server = await peerServer();
    await using directory = await temporaryDirectory();
    const files = await writeIdentity(directory.path, "alice", alice.tls);
    const session = join(directory.path, "session.pem");
    await askByOpenssl(server, files, [`-${version}`, "-sess_out", session]);
    const { out } = await runProgram(
      "openssl",
      ["s_client", "-connect", `127.0.0.1:${server.port}`, "-ign_eof", `-${version}`, "-sess_in", session],
      { input: REQUEST, keepInputOpen: true },
    );
    assert.match(out, /"fault":200/);
  });
}

test("openssl reconnecting five times with one session shakes hands in full each time", async () => {
  await using server = await peerServer();
  await using directory = await temporaryDirectory();
  const files = await writeIdentity(directory.path, "alice", alice.tls);
  const { handshakes } = await askByOpenssl(server, files, ["-tls1_2", "-reconnect"]);
  assert.deepEqual(handshakes, new Array(6).fill("New, TLS"));
});

test("no session ticket is handed out over TLS 1.2", async () => {
  await using server = await peerServer();
  await using directory = await temporaryDirectory();
  const files = await writeIdentity(directory.path, "alice", alice.tls);
  const { out } = await askByOpenssl(server, files, ["-tls1_2"]);
  assert.match(out, /SSL-Session:/);
  assert.doesNotMatch(out, /session ticket:/i);
});

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`a session kept by Node is not resumed (${version})`, async () => {
    await using server = await peerServer();
    const options = {
      host: "127.0.0.1",
      port: server.port,
      ...alice.tls,
      minVersion: version,
      maxVersion: version,
    };
    const sessions: Buffer[] = [];
    const first = connect(options).on("session", (session) => sessions.push(session));
    await askOver(first);
    assert.ok(sessions.length > 0, "Node had a session to come back with");
    const seen = await askOver(connect({ ...options, session: sessions.at(-1) }));
    assert.deepEqual([seen.name, seen.resumed], [alice.name, false]);
  });
}

async function askOver(socket: TLSSocket): Promise<Seen> {
  socket.write(REQUEST);
  let reply = "";
  for await (const bytes of socket) reply += bytes;
  return JSON.parse(/^\{.*\}/m.exec(reply)![0]);
}
