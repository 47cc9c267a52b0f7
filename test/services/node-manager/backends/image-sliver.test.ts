import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Backend, SliverPlan } from "#services/node-manager/backends/backend.ts";
import { listImages } from "#services/node-manager/backends/images/image-shelf.ts";
import { loginCommand } from "#services/node-manager/ssh/login-shell.ts";
import { fault, type Outcome, run, someNode, somePlan } from "#test/contract/backend.ts";
import { sshLab } from "../lab/ssh-lab.ts";
import { type ContainerBench, containerBench, engineProbe, eventually } from "./container-bench.ts";
import { type ImageLab, imageLab } from "./image-lab.ts";

const probe = await engineProbe();

describe("a sliver over an image from elsewhere", { skip: !probe.ok && probe.reason }, () => {
  const node = someNode();
  let lab: ImageLab;
  let bench: ContainerBench;
  let backend: Backend;
  const web = somePlan({ image: "web" });
  const bare = somePlan({ image: "bare" });
  before(async () => {
    lab = await imageLab();
    bench = await containerBench();
    backend = await bench.open(node, { imagesDirectory: lab.imagesDirectory, images: await wishes() });
    for (const plan of [web, bare]) await backend.ensure(plan);
  });
  after(async () => {
    await bench[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  async function wishes() {
    const server = `#!/bin/sh\necho "$*: $(id -u):$(id -g) $PWD $HOME $COLOUR" >&2\nexec sleep 1000\n`;
    const files = { "etc/passwd": "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n", "srv/x": "" };
    const links = {
      "etc/skel": `->${lab.path}/outside`,
      "etc/profile": "export PATH=/bin\n. /etc/profile.d/*.sh\n",
    };
    await lab.tree("outside", { secret: "of the node" });
    const tree = await lab.busybox("web-tree", { ...files, ...links, "opt/bin/server": server });
    lab.run("chmod", ["755", "web-tree/opt/bin/server"]);
    const config = [
      ["entrypoint", "server"],
      ["cmd", "it's on"],
      ["env", "PATH=/opt/bin:/bin"],
      ["env", "COLOUR=blue and $green"],
      ["user", "web"],
      ["workingdir", "/srv"],
    ] as const;
    // Nothing but one program: no shell, no accounts, no directories.
    await lab.tree("bare-tree", {});
    execFileSync("sh", ["-c", "mkdir -p bare-tree && cp /bin/busybox bare-tree/sleep"], { cwd: lab.path });
    return [
      { name: "web", source: lab.layout("web-layout", tree, config) },
      {
        name: "bare",
        source: lab.layout("bare-layout", join(lab.path, "bare-tree"), [
          ["entrypoint", "/sleep"],
          ["cmd", "1000"],
          ["user", "7:8"],
        ]),
      },
    ] as const;
  }

  function login(plan: SliverPlan, commandLine: string): Promise<Outcome> {
    return run(backend, plan.id, loginCommand({ commandLine }, {}));
  }

  async function programLog(): Promise<string> {
    return (await login(web, "cat /var/lib/slicelab/programs/image/log.* 2>/dev/null")).stdout;
  }

  test("runs what the image says, as its user, in its place and environment, from every start on", async () => {
    await eventually("the program runs", async () => (await programLog()) !== "");
    assert.equal(await programLog(), "it's on: 33:34 /srv /srv blue and $green\n");
    await backend.stop(web.id);
    await backend.ensure(web);
    await eventually("it runs again", async () => (await programLog()).split("\n").length === 3);
  });

  test("is offered with its digest", () => {
    const { images, imageDigests = {} } = backend.statement;
    assert.deepEqual([...images], ["web", "bare"]);
    for (const image of images) assert.match(imageDigests[image]!, /^sha256:[0-9a-f]{64}$/);
  });

  test("has the image's environment in commands, in logins and for root", async () => {
    const script = 'echo "$PATH $COLOUR"';
    const expected = "/opt/bin:/bin blue and $green\n";
    assert.equal((await login(web, script)).stdout, expected);
    const shell = await run(backend, web.id, loginCommand("shell", {}), script);
    assert.equal(shell.stdout, expected);
    assert.equal((await run(backend, web.id, { argv: ["sh", "-c", script] })).stdout, expected);
  });

  test("gets nothing of the node by an image's links", async () => {
    assert.equal((await login(web, "ls -A ~")).stdout, "");
  });

  test("without a shell runs its program and others of its own, and says that it has no shell", async () => {
    await eventually("the program runs", async () => {
      const { stdout } = await run(backend, web.id, { argv: ["true"] });
      assert.equal(stdout, "");
      return (await processes(bare)).includes("/sleep 1000");
    });
    assert.equal((await login(bare, "/sleep 0")).code, 0);
    assert.equal((await run(backend, bare.id, { argv: ["/sleep", "0"] })).code, 0);
    for (const asked of ["shell", "sftp", { commandLine: "/sleep 0 && true" }] as const) {
      const refused = backend.exec(bare.id, loginCommand(asked, {}));
      await assert.rejects(
        refused,
        (error: Error) => fault("MALFORMED")(error) && /no shell/.test(error.message),
      );
    }
  });

  test("says so over ssh, too, where people ask", async () => {
    await using ssh = await sshLab({
      slices: { bare: bare.id },
      exec: (id, command) => backend.exec(id, command),
      connect: () => undefined,
      listen: () => undefined,
    });
    await ssh.newKey();
    assert.deepEqual(await ssh.ssh("bare", "/sleep 0"), { code: 0, out: "", err: "" });
    for (const argv of [["bare"], ["bare", "/sleep 0 | /sleep 0"]]) {
      const { code, err } = await ssh.ssh(...argv);
      assert.equal(code, 126);
      assert.match(err, /this sliver's image has no shell: only its own programs can be run/);
    }
  });

  /** Command lines of a sliver's processes, as its machine sees them. */
  async function processes(plan: SliverPlan): Promise<string[]> {
    const cgroup = `slicelab-${node}-${plan.id}`;
    const list = execFileSync("sh", [
      "-c",
      `grep -l ${cgroup} /proc/[0-9]*/cgroup 2>/dev/null; true`,
    ]).toString();
    const pids = list.split("\n").filter((line) => line !== "");
    const lines = pids.map((path) => readFile(path.replace("cgroup", "cmdline"), "utf8").catch(() => ""));
    return (await Promise.all(lines)).map((line) => line.split("\0").join(" ").trim());
  }

  test("keeps its image from being removed, and goes on with it when the name stands for another", async () => {
    const [old] = (await listImages(lab.imagesDirectory)).filter(({ id }) => id.startsWith("web@"));
    assert.deepEqual(old!.users, { nodes: [`${node}-container`], slivers: 1 });
    await lab.tree("web-tree", { "srv/new": "" });
    await lab.add("web", join(lab.path, "web-tree"));
    const later = await bench.open(node, { imagesDirectory: lab.imagesDirectory, images: ["web"] });
    await later.stop(web.id);
    await later.ensure(web);
    assert.equal((await run(later, web.id, { argv: ["ls", "/srv"] })).stdout, "x\n");
    const fresh = somePlan({ image: "web" });
    await later.ensure(fresh);
    assert.equal((await run(later, fresh.id, { argv: ["ls", "/srv"] })).stdout, "new\nx\n");
    const images = await listImages(lab.imagesDirectory);
    assert.deepEqual(images.find(({ id }) => id === old!.id)!.users, { nodes: [], slivers: 1 });
  });
});
