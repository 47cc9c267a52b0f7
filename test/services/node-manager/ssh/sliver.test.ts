import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { engineProbe } from "../backends/container-bench.ts";
import { type SshSliverLab, sshSliverLab } from "../lab/ssh-sliver-lab.ts";

const probe = await engineProbe();

describe("whoever enters a sliver by ssh", { skip: !probe.ok && probe.reason, timeout: 600_000 }, () => {
  let lab: SshSliverLab;
  before(async () => {
    lab = await sshSliverLab();
  });
  after(() => lab[Symbol.asyncDispose]());

  async function said(slice: string, command: string): Promise<string> {
    const { code, out, err } = await lab.ssh(slice, command);
    assert.equal(code, 0, err);
    return out;
  }

  test("is the user named like the slice, at home, as sshd would have it", async () => {
    const script = 'id -un; id -u; pwd; echo "$HOME $USER $LOGNAME $SHELL $MAIL"; umask; hostname';
    const expected =
      "oceanstore\n1000\n/home/oceanstore\n/home/oceanstore oceanstore oceanstore /bin/bash \n";
    assert.equal(await said("oceanstore", script), `${expected}0022\noceanstore\n`);
    assert.match(
      await said("oceanstore", "ls -ld . .bashrc"),
      /^drwxr-xr-x .*oceanstore oceanstore .*\n-rw-r--r-- .*oceanstore/,
    );
  });

  test("has root's rights with sudo and without a password, and none without it", async () => {
    assert.equal(await said("oceanstore", "sudo id -u; sudo -u nobody id -un"), "0\nnobody\n");
    assert.equal(await said("oceanstore", "sudo sh -c 'echo mine >/etc/motd' && cat /etc/motd"), "mine\n");
    const without = await lab.ssh("oceanstore", "echo x >/etc/motd");
    assert.notEqual(without.code, 0);
    assert.match(without.err, /Permission denied/);
    assert.match(
      await said("oceanstore", "grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status"),
      /^(Cap\w+:\t0{16}\n){4}$/,
    );
    const sudoers = "stat -c %a%U /etc/sudoers.d/slicelab; visudo -c -f /etc/sudoers.d/slicelab >&2";
    assert.equal(await said("oceanstore", `sudo sh -c '${sudoers}'`), "440root\n");
  });

  test("finds the image's own accounts, and root's number is root's", async () => {
    const names = await said("oceanstore", "getent passwd | cut -d: -f1,3 | sort");
    for (const account of ["root:0", "daemon:1", "nobody:65534", "oceanstore:1000"]) {
      assert.ok(names.split("\n").includes(account), `${account} in ${names}`);
    }
    assert.equal(
      await said("oceanstore", "getent passwd 0 | cut -d: -f1; getent group 1000"),
      "root\noceanstore:x:1000:\n",
    );
    assert.match(await said("oceanstore", "sudo getent shadow oceanstore"), /^oceanstore:\*:/);
  });

  test("keeps what they change: their shell, their home, their accounts, also over a restart", async () => {
    await said(
      "oceanstore",
      "sudo usermod -s /bin/dash oceanstore; echo kept >note; rm .bashrc; sudo useradd -m peer",
    );
    assert.equal(
      await said("oceanstore", 'readlink /proc/$$/exe; echo "$SHELL"'),
      "/usr/bin/dash\n/bin/dash\n",
    );
    const { backend, plans } = lab;
    await backend.stop(plans.oceanstore.id);
    await backend.ensure(plans.oceanstore);
    assert.equal(
      await said("oceanstore", "cat note; ls -A | grep -c bashrc; id -un peer; id -un"),
      "kept\n0\npeer\noceanstore\n",
    );
    await said("oceanstore", "sudo usermod -s /bin/bash oceanstore");
  });

  test("gets in without a home, and is told", async () => {
    await said("oceanstore", "cd /; sudo mv /home/oceanstore /home/elsewhere");
    const { code, out, err } = await lab.ssh("oceanstore", "pwd");
    assert.deepEqual([code, out], [0, "/\n"]);
    assert.match(err, /there is no \/home\/oceanstore here/);
    await said("oceanstore", "sudo mv /home/elsewhere /home/oceanstore");
  });

  test("gets in with a shell that is not there any more", async () => {
    await said("oceanstore", "sudo usermod -s /usr/bin/nosuch oceanstore");
    assert.equal(await said("oceanstore", "echo in"), "in\n");
    await said("oceanstore", "sudo usermod -s /bin/bash oceanstore");
  });

  test("has a login shell when no command is given", async () => {
    const { out } = await lab.run("ssh", ["-T", "oceanstore"], {
      input: "shopt -q login_shell && echo login $0\n",
    });
    assert.match(out, /login \/bin\/bash/);
  });

  test("is root by another name where the image has no sudo", async () => {
    assert.equal(
      await said("tiny", 'id -u; echo "$HOME $USER $SHELL"; pwd'),
      "0\n/home/tiny tiny /bin/sh\n/home/tiny\n",
    );
    assert.equal(
      await said("tiny", "grep -E '^(root|tiny):' /etc/passwd"),
      "root:x:0:0:root:/root:/bin/sh\ntiny:x:0:0::/home/tiny:/bin/sh\n",
    );
  });

  test("leaves programs behind that outlive the connection, and nothing else", async () => {
    await said("oceanstore", "nohup sleep 4242 >/dev/null 2>&1 & echo started");
    assert.match(await said("oceanstore", "pgrep -f 'sleep 424[2]'"), /^\d+\n$/);
    await said("oceanstore", "pkill -f 'sleep 424[2]'");
  });

  test("is told when the sliver is not running, and gets in once it is again", async () => {
    const { backend, plans } = lab;
    await backend.stop(plans.tiny.id);
    const { code, err } = await lab.ssh("tiny", "true");
    assert.equal(code, 126);
    assert.match(err, /the sliver of slice tiny is not running/);
    await backend.ensure(plans.tiny);
    assert.equal(await said("tiny", "echo in"), "in\n");
  });

  test("loses a command with the sliver, and is told how it ended", async () => {
    const { backend, plans } = lab;
    const running = lab.ssh("tiny", "echo in; exec sleep 1000");
    await said("tiny", "until ps | grep -q '[s]leep 1000'; do :; done");
    await backend.stop(plans.tiny.id);
    assert.equal((await running).code, 137);
    await backend.ensure(plans.tiny);
  });
});
