import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";
import { eventually, within } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { nodeLab } from "../lab/node-lab.ts";

/** A node manager with one lease, and two people who stay in its sliver, each with a key of their own. */
async function inside() {
  await using owned = new AsyncDisposableStack();
  const lab = owned.use(await nodeLab());
  const { path } = owned.use(await temporaryDirectory());
  const [mine, theirs] = [newSshKeyPair(), newSshKeyPair()];
  const ticketdata = (await lab.ticket()).text;
  const { ssh } = lab.lease(await lab.alice.newleasevm({ ticketdata, publickey: mine.publicKey }));
  await lab.alice.addkey({ slice: ssh.user, key: theirs.publicKey });
  await writeFile(join(path, "hosts"), `[${ssh.host}]:${ssh.port} ${ssh.hostKey}\n`);
  const logins = () => lab.logged.filter((line) => line.includes("ssh login")).length;

  /** Is in when this settles; a simulated command lasts as long as its input. */
  async function enter(name: string, privateKey: string): Promise<ChildProcess> {
    await writeFile(join(path, name), privateKey, { mode: 0o600 });
    const before = logins();
    const options = ["BatchMode=yes", "IdentitiesOnly=yes", `UserKnownHostsFile=${join(path, "hosts")}`];
    const where = ["-p", String(ssh.port), `${ssh.user}@${ssh.host}`, "cat"];
    const flags = options.flatMap((option) => ["-o", option]);
    const child = spawn("ssh", ["-F", "none", "-i", join(path, name), ...flags, ...where]);
    owned.defer(() => void child.kill("SIGKILL"));
    await eventually(() => logins() > before);
    return child;
  }
  const people = {
    mine: await enter("mine", mine.privateKey),
    theirs: await enter("theirs", theirs.privateKey),
  };
  const kept = owned.move();
  return {
    ...{ lab, slice: ssh.user, keys: { mine, theirs }, ...people },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

test("a key that is taken away ends the connections made with it, and no others", async () => {
  await using at = await inside();
  await at.lab.alice.delkey({ slice: at.slice, key: at.keys.theirs.publicKey });
  assert.equal((await within(once(at.theirs, "close")))[0], 255);
  at.mine.stdin!.end();
  assert.equal((await within(once(at.mine, "close")))[0], 0);
});

test("nuking keys ends the connections of every key but the first", async () => {
  await using at = await inside();
  await at.lab.alice.nukekeys({ slice: at.slice });
  assert.equal((await within(once(at.theirs, "close")))[0], 255);
  at.mine.stdin!.end();
  assert.equal((await within(once(at.mine, "close")))[0], 0);
});

test("deleting a lease ends everybody's connections into its sliver", async () => {
  await using at = await inside();
  const closed = Promise.all([once(at.mine, "close"), once(at.theirs, "close")]);
  await at.lab.alice.deletelease({ slice: at.slice });
  assert.deepEqual(
    (await within(closed)).map(([code]) => code),
    [255, 255],
  );
});
