import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { lstat, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { attributeNames } from "#services/node-manager/backends/images/extended-attributes.ts";
import { imageUsers, recordUse } from "#services/node-manager/backends/images/image-uses.ts";
import { ensureImage, findImage } from "#services/node-manager/backends/images/images.ts";
import { runImage } from "#services/node-manager/image-commands.ts";
import { fault } from "#test/contract/backend.ts";
import { eventually } from "#test/support/deadline.ts";
import { hostileTar, type ImageLab, imageLab, now } from "./image-lab.ts";

const isRoot = process.getuid?.() === 0;

describe("importing an image", { skip: !isRoot && "it takes root to own files for others" }, () => {
  let lab: ImageLab;
  let tree: string;
  before(async () => {
    lab = await imageLab();
    tree = await lab.tree("tree", { "etc/motd": "hello\n", "srv/a b": "1", "srv/link": "->/etc/motd" });
    lab.run("sh", ["-c", "chown 5:6 tree/srv; chmod 4755 'tree/srv/a b'; ln tree/etc/motd tree/srv/same"]);
  });
  after(() => lab[Symbol.asyncDispose]());

  /** Everything the command line says, and its exit code. */
  async function command(...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> {
    let [out, err] = ["", ""];
    const code = await runImage([...argv, "--dir", lab.imagesDirectory], {
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
      now,
    });
    return { code, out, err };
  }

  test("gives the same digest from a directory, a tar and every packing of it, whatever the times", async () => {
    const tar = lab.run("tar", ["-C", tree, "--mtime=@1", "-cf", "-", "."]);
    const files = {
      "root.tar": tar,
      "root.tar.gz": gzipSync(tar),
      "root.tar.zst": zstdCompressSync(tar),
      "root.tar.xz": lab.run("xz", ["-c"], tar),
    };
    const first = await lab.add("same", tree);
    assert.equal(first.id, `same@${first.digest!.slice(7, 23)}`);
    for (const [name, bytes] of Object.entries(files)) {
      await writeFile(join(lab.path, name), bytes);
      assert.deepEqual(await lab.add("same", join(lab.path, name)), first, name);
    }
    const { uid, gid } = await stat(join(first.root, "srv"));
    assert.deepEqual([uid, gid], [5, 6]);
    assert.equal((await stat(join(first.root, "srv/a b"))).mode & 0o7777, 0o4755);
    assert.equal((await stat(join(first.root, "srv/same"))).nlink, 2);
  });

  test("gives another id for a change of contents, mode, owner, link or name, and keeps what was there", async () => {
    const changes = {
      contents: "echo 2 > 'changed/srv/a b'",
      mode: "chmod 600 'changed/srv/a b'",
      owner: "chown 7 changed/srv",
      target: "ln -sf /etc/hosts changed/srv/link",
      name: "mv changed/etc/motd changed/etc/issue",
      twice: "rm changed/srv/same && cp changed/etc/motd changed/srv/same",
    };
    const first = await lab.add("change", tree);
    const ids = new Set([first.id]);
    for (const script of Object.values(changes)) {
      lab.run("sh", ["-c", `rm -rf changed && cp -a tree changed && ${script}`]);
      ids.add((await lab.add("change", join(lab.path, "changed"))).id);
    }
    assert.equal(ids.size, 1 + Object.keys(changes).length);
    assert.deepEqual(await findImage(lab.imagesDirectory, first.id), first);
  });

  test("is not asked again for a source it had, and its name stands for what was added last", async () => {
    const source = await lab.tree("pinned", { a: "1" });
    const wish = { imagesDirectory: lab.imagesDirectory, name: "pinned", source, now };
    const first = await ensureImage(wish);
    await writeFile(join(source, "a"), "2");
    assert.equal((await ensureImage(wish)).id, first.id);
    const second = await lab.add("pinned", source);
    assert.notEqual(second.id, first.id);
    assert.equal((await ensureImage({ ...wish, source: undefined })).id, second.id);
    await assert.rejects(ensureImage({ ...wish, digest: first.digest }), fault("BACKEND_FAILED"));
    await assert.rejects(lab.add("other", source, { digest: first.digest }), fault("BACKEND_FAILED"));
  });

  test("leaves out devices, attributes, and capabilities that no sliver has", async () => {
    const source = await lab.tree("odd", { keeps: "", loses: "", plain: "" });
    const script = `setcap cap_net_bind_service=ep odd/keeps; setcap cap_net_raw=ep odd/loses
      mknod odd/disk b 8 0; mknod odd/whiteout c 0 0; mkfifo odd/fifo`;
    lab.run("sh", ["-c", script]);
    const { root } = await lab.add("odd", source);
    assert.deepEqual((await readdir(root)).sort(), ["fifo", "keeps", "loses", "plain"]);
    const names = (file: string) => attributeNames(Buffer.from(join(root, file)));
    assert.deepEqual(["keeps", "loses", "plain"].map(names), [["security.capability"], [], []]);
  });

  test("never leaves its directory, whatever a tar's members are called", async () => {
    const outside = join(lab.path, "outside");
    await mkdir(outside);
    await writeFile(join(outside, "secret"), "secret");
    const tars = {
      parent: hostileTar([["../../../outside/mark", "x"]]),
      link: hostileTar([
        ["way", "", { kind: "symbolic", target: outside }],
        ["way/mark", "x"],
      ]),
      dots: hostileTar([
        ["way", "", { kind: "symbolic", target: "../../../outside" }],
        ["way/mark", "x"],
      ]),
      absolute: hostileTar([[`${outside}/mark`, "x"]]),
      hard: hostileTar([
        ["copy", "", { kind: "hard", target: join(outside, "secret") }],
        ["other", "x"],
      ]),
    };
    for (const [name, bytes] of Object.entries(tars)) {
      await writeFile(join(lab.path, `${name}.tar`), bytes);
      const made = await lab.add(name, join(lab.path, `${name}.tar`)).catch((error) => error);
      if (name === "absolute") assert.equal(await readFile(join(made.root, outside, "mark"), "utf8"), "x");
      else assert.ok(fault("BACKEND_FAILED")(made), name);
      assert.deepEqual(await readdir(outside), ["secret"], name);
      assert.equal((await stat(join(outside, "secret"))).nlink, 1, name);
    }
  });

  test("never leaves its directory, whatever a layer of an OCI image holds", async () => {
    const layout = lab.layout("hostile", await lab.tree("harmless", { a: "1" }), []);
    const layer = hostileTar([
      ["way", "", { kind: "symbolic", target: join(lab.path, "outside") }],
      ["way/mark", "x"],
      ["../../../../outside/mark", "x"],
    ]);
    await writeFile(join(lab.path, "layer.tar"), layer);
    lab.run("umoci", ["raw", "add-layer", "--image", `${layout}:latest`, "layer.tar"]);
    await lab.add("hostile", layout).catch(fault("BACKEND_FAILED"));
    assert.deepEqual(await readdir(join(lab.path, "outside")), ["secret"]);
  });

  test("stops at its limit, of a bomb, a hole, or many files, and leaves nothing behind", async () => {
    const limits = { bytes: 4 * 1024 * 1024, entries: 50 };
    const zeros = hostileTar([["zeros", "0".repeat(16 * 1024 * 1024)]]);
    await writeFile(join(lab.path, "bomb.tar.gz"), gzipSync(zeros));
    const hole = await lab.tree("hole", { hole: "" });
    await truncate(join(hole, "hole"), 64 * 1024 ** 3);
    lab.run("tar", ["-C", hole, "--sparse", "-cf", "hole.tar", "."]);
    const many = await lab.tree(
      "many",
      Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`f${n}`, ""])),
    );
    await mkdir(join(lab.path, "zeros"));
    await writeFile(join(lab.path, "zeros/zeros"), Buffer.alloc(16 * 1024 * 1024));
    const layers = lab.layout("layers", join(lab.path, "zeros"), []);
    for (const source of [join(lab.path, "bomb.tar.gz"), many, layers]) {
      await assert.rejects(lab.add("large", source, { limits }), fault("TOO_LARGE"), source);
    }
    await assert.rejects(lab.add("large", join(lab.path, "hole.tar"), { limits }), fault("BACKEND_FAILED"));
    const left = (await readdir(lab.imagesDirectory)).filter((name) => name.includes("large"));
    assert.deepEqual(left, [".large.lock"]);
  });

  test("appears whole or not at all: what a killed import left is no image, and goes away", async () => {
    await writeFile(join(lab.path, "zeros.tar"), hostileTar([["zeros", "0".repeat(256 * 1024 * 1024)]]));
    const argv = ["services/node-manager/image-main.ts", "add", "killed", join(lab.path, "zeros.tar")];
    const child = spawn(process.execPath, [...argv, "--dir", lab.imagesDirectory], { stdio: "ignore" });
    const ended = once(child, "exit");
    const left = async () => (await readdir(lab.imagesDirectory)).filter((name) => name.includes("killed"));
    const isStaging = (name: string) => name.startsWith(".killed-");
    await eventually(async () => (await left()).some(isStaging), {
      what: "the import begins",
      withinMs: 60_000,
    });
    child.kill("SIGKILL");
    await ended;
    assert.deepEqual(
      (await left()).filter((name) => name.startsWith("killed")),
      [],
    );
    assert.equal((await left()).filter(isStaging).length, 1);
    await assert.rejects(
      ensureImage({ imagesDirectory: lab.imagesDirectory, name: "killed", now }),
      fault("BACKEND_FAILED"),
    );
    const { id } = await lab.add("killed", tree);
    assert.deepEqual((await left()).sort(), [".killed.lock", id]);
  });

  test("takes an image from an OCI layout and from archives alike, with what it says about running it", async () => {
    const source = await lab.tree("app", {
      "etc/passwd": "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n",
      "etc/group": "root:x:0:\nmail:x:8:\n",
      "srv/x": "",
    });
    const layout = lab.layout("app-layout", source, [
      ["entrypoint", "/server"],
      ["cmd", "--port"],
      ["cmd", "80 80"],
      ["env", "PATH=/opt/bin:/bin"],
      ["env", "not-a-name=x"],
      ["user", "web:mail"],
      ["workingdir", "/srv"],
    ]);
    const quiet = ["copy", "--quiet", `oci:${layout}:latest`];
    lab.run("skopeo", [...quiet, "oci-archive:app-oci.tar"]);
    lab.run("skopeo", [...quiet, "docker-archive:app-docker.tar:app:1"]);
    const image = await lab.add("app", layout);
    assert.deepEqual(image.program, {
      argv: ["/server", "--port", "80 80"],
      user: { uid: 33, gid: 8, home: "/srv" },
      workingDirectory: "/srv",
    });
    assert.deepEqual(image.environment, { PATH: "/opt/bin:/bin" });
    const marker = JSON.parse(await readFile(join(lab.imagesDirectory, image.id, "image.json"), "utf8"));
    const index = JSON.parse(await readFile(join(layout, "index.json"), "utf8"));
    assert.equal(marker.manifest, index.manifests[0].digest);
    assert.equal((await lab.add("app", `oci-archive:${lab.path}/app-oci.tar`)).id, image.id);
    assert.equal((await lab.add("app", `docker-archive:${lab.path}/app-docker.tar`)).id, image.id);
    const archive = lab.add("app", join(lab.path, "app-oci.tar"));
    await assert.rejects(archive, /write oci-archive: or docker-archive: before its path/);
  });

  test("gives another id when only what an image says about running it changes", async () => {
    const source = await lab.tree("said", { a: "1" });
    const [one, other] = ["1", "2"].map((value) =>
      lab.layout(`said-${value}`, source, [["env", `A=${value}`]]),
    );
    assert.notEqual((await lab.add("said", one!)).id, (await lab.add("said", other!)).id);
  });

  test("refuses an image whose user it does not have, and one that is not what its manifest says", async () => {
    const source = await lab.tree("wrong", { a: "1" });
    const stranger = lab.layout("stranger", source, [
      ["entrypoint", "/x"],
      ["user", "nobody-here"],
    ]);
    await assert.rejects(lab.add("wrong", stranger), fault("MALFORMED"));
    const broken = lab.layout("broken", source, []);
    const { manifests } = JSON.parse(await readFile(join(broken, "index.json"), "utf8"));
    const { layers } = JSON.parse(
      await readFile(join(broken, "blobs/sha256", manifests[0].digest.slice(7)), "utf8"),
    );
    const bytes = gzipSync(hostileTar([["b", "2"]]));
    assert.notEqual(createHash("sha256").update(bytes).digest("hex"), layers[0].digest.slice(7));
    await writeFile(join(broken, "blobs/sha256", layers[0].digest.slice(7)), bytes);
    await assert.rejects(lab.add("wrong", broken), fault("BACKEND_FAILED"));
  });

  for (const source of [
    "",
    "x/y",
    "ftp://a/b",
    "docker://",
    "docker://-x",
    "oci:relative",
    "dir:/x",
    "/nope",
    "no-recipe",
  ]) {
    test(`refuses the source ${JSON.stringify(source)}`, async () => {
      await assert.rejects(lab.add("refused", source), (error) =>
        [fault("MALFORMED"), fault("BACKEND_FAILED")].some((is) => is(error)),
      );
      assert.equal(await lstat(join(lab.imagesDirectory, ".names/refused.json")).catch(() => null), null);
    });
  }

  test("is done by a command, which lists, verifies and removes, but never what is in use", async () => {
    const added = await command("add", "shop", join(lab.path, "tree"));
    assert.equal(added.code, 0, added.err);
    const id = added.out.split(" ")[0]!;
    assert.match((await command("list")).out, new RegExp(`\\* ${id} .* unused`));
    assert.deepEqual((await command("verify", "shop")).code, 0);

    const slivers = join(lab.path, "state/slivers");
    await mkdir(join(slivers, "0123456789abcdef"), { recursive: true });
    await recordUse(lab.imagesDirectory, "abcdef01-container", { slivers, offers: [id] });
    assert.match((await command("remove", "shop")).err, /offered by abcdef01-container/);
    await recordUse(lab.imagesDirectory, "abcdef01-container", { slivers, offers: [] });
    await writeFile(join(slivers, "0123456789abcdef/image"), id);
    const refused = await command("remove", "shop");
    assert.deepEqual([refused.code, /1 slivers/.test(refused.err)], [1, true]);
    assert.ok(await findImage(lab.imagesDirectory, id));

    await writeFile(join(lab.imagesDirectory, id, "root/etc/motd"), "changed\n");
    const changed = await command("verify", id);
    assert.deepEqual([changed.code, /CHANGED/.test(changed.out)], [1, true]);

    await rm(join(lab.path, "state"), { recursive: true });
    assert.equal(
      (await imageUsers(lab.imagesDirectory)).size,
      0,
      "the node's state is gone, and its slivers with it",
    );
    await mkdir(join(lab.imagesDirectory, "shop"));
    assert.deepEqual(await command("remove", "shop"), { code: 0, out: `${id} removed\n`, err: "" });
    assert.equal(await findImage(lab.imagesDirectory, id), undefined);
    assert.match((await command("remove", id)).err, /there is no such image/);
    await assert.rejects(recordUse(lab.imagesDirectory, "x", { slivers, offers: [id] }), fault("BUSY"));
  });
});
