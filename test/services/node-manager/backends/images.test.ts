import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ensureImage, findImage } from "#services/node-manager/backends/images/images.ts";
import { fault } from "#test/contract/backend.ts";
import { engineProbe } from "./container-bench.ts";

const probe = await engineProbe();

describe("a reference image", { skip: !probe.ok && probe.reason }, () => {
  let imagesDirectory: string;
  const now = () => 1_900_000_000;
  before(async () => {
    imagesDirectory = await mkdtemp(join(tmpdir(), "slicelab-images-"));
  });
  after(() => rm(imagesDirectory, { recursive: true }));

  test("is built once however many ask for it at once, and says when", async () => {
    const asked = Array.from({ length: 4 }, () => ensureImage({ imagesDirectory, name: "busybox", now }));
    const roots = new Set((await Promise.all(asked)).map(({ root }) => root));
    assert.equal(roots.size, 1);
    const marker = JSON.parse(await readFile(join(imagesDirectory, "busybox/image.json"), "utf8"));
    const { digest, bytes, ...said } = marker;
    assert.deepEqual(said, { name: "busybox", version: 1, source: "busybox", made: "2030-03-17 17:46:40" });
    assert.match(digest, /^sha256:[0-9a-f]{64}$/);
    assert.ok(bytes > 1_000_000, "busybox is larger");
    const later = await ensureImage({ imagesDirectory, name: "busybox", now: () => 2_000_000_000 });
    assert.ok(roots.has(later.root));
    assert.deepEqual(JSON.parse(await readFile(join(imagesDirectory, "busybox/image.json"), "utf8")), marker);
  });

  test("is not one while it is only half built, and what a killed builder left goes away", async () => {
    const place = join(imagesDirectory, "half");
    await mkdir(join(place, ".busybox-abc123/root/bin"), { recursive: true });
    await mkdir(join(place, "busybox/root"), { recursive: true });
    assert.equal(await findImage(place, "busybox"), undefined);
    await rm(join(place, "busybox"), { recursive: true });
    await ensureImage({ imagesDirectory: place, name: "busybox", now });
    assert.deepEqual((await readdir(place)).sort(), [".busybox.lock", "busybox"]);
  });

  test("may be put there by hand", async () => {
    await mkdir(join(imagesDirectory, "mine/root"), { recursive: true });
    await writeFile(join(imagesDirectory, "mine/image.json"), "{}");
    const { root } = await ensureImage({ imagesDirectory, name: "mine", now });
    assert.equal(root, join(imagesDirectory, "mine/root"));
  });

  test("of another recipe lies beside the earlier one, and is asked for by its id", async () => {
    for (const id of ["mine", "mine@2"]) {
      await mkdir(join(imagesDirectory, id, "root"), { recursive: true });
      await writeFile(join(imagesDirectory, id, "image.json"), "{}");
      const found = { name: "mine", id, root: join(imagesDirectory, id, "root") };
      assert.deepEqual(await findImage(imagesDirectory, id), found);
    }
    for (const id of ["mine@3", "mine@0", "mine@", "mine@2/../mine", "../mine@2"]) {
      assert.equal(await findImage(imagesDirectory, id), undefined, id);
    }
  });

  for (const name of ["no-such-image", "../busybox", "", "a/b", ".busybox", "busy\nbox"]) {
    test(`is refused under the name ${JSON.stringify(name)}`, async () => {
      await assert.rejects(ensureImage({ imagesDirectory, name, now }), fault("BACKEND_FAILED"));
    });
  }
});
