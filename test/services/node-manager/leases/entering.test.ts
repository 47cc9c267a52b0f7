import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runProgram } from "#test/support/program.ts";
import { nodeLab } from "../lab/node-lab.ts";

test("a lease says how its sliver is entered, and its keys open the door while it lives", async () => {
  await using lab = await nodeLab();
  await using directory = await temporaryDirectory();
  const { privateKey, publicKey } = newSshKeyPair();
  const [identity, hosts] = ["key", "known_hosts"].map((name) => join(directory.path, name)) as [
    string,
    string,
  ];
  const ticketdata = (await lab.ticket()).text;
  const { ssh, sliver } = lab.lease(await lab.alice.newleasevm({ ticketdata, publickey: publicKey }));
  await writeFile(identity, privateKey, { mode: 0o600 });
  /** A lab's port changes with every start; its host key never does. */
  async function enter() {
    const port = lab.node.sshPort;
    await writeFile(hosts, `[${ssh.host}]:${port} ${ssh.hostKey}\n`);
    const checked = ["StrictHostKeyChecking=yes", "BatchMode=yes", "IdentitiesOnly=yes"];
    const options = [`UserKnownHostsFile=${hosts}`, ...checked].flatMap((option) => ["-o", option]);
    const where = ["-p", String(port), `${ssh.user}@${ssh.host}`, "uname -a"];
    return await runProgram("ssh", ["-F", "none", "-i", identity, ...options, ...where]);
  }
  assert.equal(ssh.port, lab.node.sshPort);
  const inside = await enter();
  assert.equal(inside.code, 0, inside.err);
  assert.match(inside.out, new RegExp(`simulated sliver ${sliver} of slice princeton_dns: nothing ran`));
  await lab.alice.delkey({ slice: "princeton_dns", key: publicKey });
  assert.equal((await enter()).code, 255);
  await lab.alice.addkey({ slice: "princeton_dns", key: publicKey });
  await lab.restart();
  assert.equal((await enter()).code, 0);
  await lab.alice.deletelease({ slice: "princeton_dns" });
  assert.equal((await enter()).code, 255);
});
