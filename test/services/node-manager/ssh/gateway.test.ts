import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { eventually, within } from "#test/support/deadline.ts";
import { localExec, sshLab } from "../lab/ssh-lab.ts";

for (const [type, ...more] of [["ed25519"], ["rsa", "-b", "3072"], ["ecdsa"]] as const) {
  test(`OpenSSH's client enters with an ${type} key of the lease and gets output, errors and exit code`, async () => {
    await using lab = await sshLab(localExec());
    await lab.newKey(type, ...more);
    const ended = await lab.ssh("oceanstore", "echo out; echo err >&2; exit 7");
    assert.deepEqual(ended, { code: 7, out: "out\n", err: "err\n" });
  });
}

test("a key that the lease does not list, another slice's name, or no key is refused", async () => {
  await using lab = await sshLab(localExec());
  await lab.newKey();
  const stranger = await lab.ssh("stranger", "true");
  assert.equal(stranger.code, 255);
  lab.keys.length = 0;
  for (const options of [[], ["-o", "PubkeyAuthentication=no"]]) {
    const refused = await lab.ssh(...options, "oceanstore", "true");
    assert.equal(refused.code, 255);
    assert.match(refused.err, /Permission denied \(publickey\)/);
  }
});

test("a listed key that the client cannot sign with is refused", async () => {
  await using lab = await sshLab(localExec());
  const mine = await lab.newKey();
  const theirs = await lab.newKey();
  lab.keys.shift();
  // The client offers the listed public key but holds another private key.
  await writeFile(`${mine}.pub`, await readFile(`${theirs}.pub`));
  assert.equal(
    (await lab.ssh("-F", "none", "-i", mine, "-o", "IdentitiesOnly=yes", ...address(lab))).code,
    255,
  );
});

function address(lab: { gateway: { port: number }; directory: string }): string[] {
  const checked = ["-o", `UserKnownHostsFile=${lab.directory}/known_hosts`, "-o", "BatchMode=yes"];
  return [...checked, "-p", String(lab.gateway.port), "oceanstore@127.0.0.1", "true"];
}

test("a key works from the moment it is added and not after it was taken away", async () => {
  await using lab = await sshLab(localExec());
  await lab.newKey();
  assert.equal((await lab.ssh("oceanstore", "true")).code, 0);
  const [removed] = lab.keys.splice(0, 1);
  assert.equal((await lab.ssh("oceanstore", "true")).code, 255);
  lab.keys.push(removed!);
  assert.equal((await lab.ssh("oceanstore", "true")).code, 0);
});

test("over a connection whose key was taken away nothing more begins, and expelling ends it", async () => {
  await using lab = await sshLab(localExec());
  await lab.newKey();
  const master = ["-M", "-o", "ControlPersist=no", "-S", `${lab.directory}/mux`];
  const first = lab.start(...master, "oceanstore", "echo in; exec tail -f /dev/null");
  await once(first.stdout!, "data");
  const other = lab.start("-o", "ControlPath=none", "oceanstore", "echo in; exec tail -f /dev/null");
  await once(other.stdout!, "data");
  const second = () => lab.ssh("-S", `${lab.directory}/mux`, "oceanstore", "echo again");
  assert.equal((await second()).out, "again\n");

  const [removed] = lab.keys.splice(0, 1);
  const refused = await second();
  assert.equal(refused.code, 255);
  assert.match(refused.err, /the key you entered with is not slice oceanstore's any more/);
  lab.keys.push(removed!);
  lab.gateway.expel("oceanstore");
  assert.equal((await second()).out, "again\n", "whose key is listed stays");
  lab.keys.length = 0;
  lab.gateway.expel("oceanstore");
  await Promise.all([within(once(first, "close")), within(once(other, "close"))]);
});

test("a hundred people are in at once, and each is told what is theirs", { timeout: 120_000 }, async () => {
  const local = localExec();
  await using lab = await sshLab(local);
  await lab.newKey();
  // They start in turns: it is their being there at once that counts, not a machine with a hundred handshakes to do.
  const all = [];
  for (let at = 0; at < 100; at += 10) {
    const some = Array.from({ length: 10 }, (_, more) =>
      lab.start("oceanstore", `echo ${at + more} in; cat; exit ${(at + more) % 7}`),
    );
    await Promise.all(some.map((child) => once(child.stdout!, "data")));
    all.push(...some);
  }
  assert.equal(local.running, 100);
  const endings = all.map(async (child, at) => {
    child.stdin!.end(`${at} out\n`);
    const [[chunk], [code]] = await Promise.all([once(child.stdout!, "data"), once(child, "close")]);
    assert.deepEqual([String(chunk), code], [`${at} out\n`, at % 7]);
  });
  await Promise.all(endings);
});

test("many commands run over one connection", { timeout: 120_000 }, async () => {
  await using lab = await sshLab(localExec());
  await lab.newKey();
  const mux = ["-S", `${lab.directory}/mux`];
  const master = lab.start("-M", ...mux, "oceanstore", "echo in; exec tail -f /dev/null");
  await once(master.stdout!, "data");
  const many = Array.from({ length: 40 }, (_, at) =>
    lab.run("ssh", [...mux, "oceanstore", `cat; exit ${at}`], { input: `number ${at}` }),
  );
  for (const [at, { code, out }] of (await Promise.all(many)).entries()) {
    assert.deepEqual([code, out], [at, `number ${at}`]);
  }
  assert.equal(lab.events.filter(({ event }) => event === "ssh login").length, 1);
});

test("a slice that runs too much is told so, and another one and its own next turn are served", async () => {
  const slices = { oceanstore: "00000000000000aa", codeen: "00000000000000bb" };
  const limits = { commandsOfOneSlice: 1, connectionsOfOneSlice: 2 };
  await using lab = await sshLab({ ...localExec(), limits, slices });
  await lab.newKey();
  const first = lab.start("oceanstore", "echo in; cat");
  await once(first.stdout!, "data");
  const refused = await lab.ssh("oceanstore", "true");
  assert.equal(refused.code, 255);
  assert.match(refused.err, /slice oceanstore runs as many commands over ssh here as it may/);
  const idle = lab.start("-N", "oceanstore");
  await eventually(() => lab.events.filter(({ event }) => event === "ssh login").length === 3);
  const crowded = await lab.ssh("oceanstore", "true");
  assert.equal(crowded.code, 255);
  assert.match(crowded.err, /slice oceanstore has as many ssh connections to this node as it may/);
  assert.equal((await lab.ssh("codeen", "true")).code, 0);
  first.stdin!.end();
  await once(first, "close");
  idle.kill();
  await eventually(async () => (await lab.ssh("oceanstore", "true")).code === 0);
});

test("disconnecting a slice ends its connections and nobody else's", async () => {
  const slices = { oceanstore: "00000000000000aa", codeen: "00000000000000bb" };
  await using lab = await sshLab({ ...localExec(), slices });
  await lab.newKey();
  const [mine, theirs] = [lab.start("oceanstore", "echo in; cat"), lab.start("codeen", "echo in; cat")];
  await Promise.all([once(mine.stdout!, "data"), once(theirs.stdout!, "data")]);
  lab.gateway.disconnect("oceanstore");
  const [code] = await within(once(mine, "close"));
  assert.equal(code, 255);
  theirs.stdin!.end("still here");
  const [chunk] = await once(theirs.stdout!, "data");
  assert.equal(String(chunk), "still here");
});

async function ending(socket: Socket): Promise<void> {
  socket.on("error", () => undefined).resume();
  await within(once(socket, "close"));
}

test("bytes that are not ssh end that connection and the next client is served", async () => {
  await using lab = await sshLab(localExec());
  await lab.newKey();
  const socket = connect(lab.gateway.port, "127.0.0.1");
  socket.write(`${"x".repeat(100_000)}\r\n`);
  await ending(socket);
  assert.equal((await lab.ssh("oceanstore", "true")).code, 0);
});

test("strangers who say nothing are sent away, and cannot fill the room from one address", async () => {
  const limits = { loginMs: 3000, strangersFromOneAddress: 5 };
  await using lab = await sshLab({ ...localExec(), limits });
  await lab.newKey();
  const strangers = Array.from({ length: 8 }, () => connect(lab.gateway.port, "127.0.0.1"));
  await Promise.all(strangers.map(ending));
  assert.equal((await lab.ssh("oceanstore", "true")).code, 0, "entering is quicker than that");
  const stays = lab.start("oceanstore", "echo in; cat");
  await once(stays.stdout!, "data");
  const later = connect(lab.gateway.port, "127.0.0.1");
  await ending(later); // its time is over, that of who has entered is not
  stays.stdin!.end("still here");
  assert.equal(String((await once(stays.stdout!, "data"))[0]), "still here");
});

test("a client that has vanished without a word is noticed", async () => {
  const local = localExec();
  await using lab = await sshLab({ ...local, limits: { silenceMs: 1500 } });
  await lab.newKey();
  const vanished = lab.start("oceanstore", "echo in; exec tail -f /dev/null");
  await once(vanished.stdout!, "data");
  const quiet = lab.start("oceanstore", "echo in; cat");
  await once(quiet.stdout!, "data");
  vanished.kill("SIGSTOP");
  await eventually(() => local.signals.length > 0);
  assert.deepEqual(local.signals, ["SIGHUP"]);
  quiet.stdin!.end("here all the time");
  assert.equal(String((await once(quiet.stdout!, "data"))[0]), "here all the time");
});

test("a client that asks whether we are there is answered", async () => {
  await using lab = await sshLab(localExec());
  await lab.newKey();
  const asking = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1"];
  const { code, out } = await lab.ssh(...asking, "oceanstore", "sleep 3; echo done");
  assert.deepEqual([code, out], [0, "done\n"]);
});
