import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { probeContainerEngine } from "#services/node-manager/backends/container/probe.ts";
import { engineProbe } from "./container-bench.ts";

const machine = await engineProbe();

describe("the probe of the container engine", { skip: !machine.ok && machine.reason }, () => {
  let directory: string;
  const now = () => 1_900_000_000;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "slicelab-probing-"));
  });
  after(() => rm(directory, { recursive: true }));

  test("says that slivers can be made here, having made and removed one", async () => {
    const stateDirectory = join(directory, "state");
    const probe = await probeContainerEngine({
      stateDirectory,
      imagesDirectory: join(directory, "images"),
      now,
    });
    assert.deepEqual(probe, { ok: true });
    assert.deepEqual(await readdir(stateDirectory), []);
  });

  test("says why not where the state directory lies on an overlay", async () => {
    const [lower, upper, work, point] = ["lower", "upper", "work", "point"].map((name) =>
      join(directory, name),
    );
    for (const path of [lower, upper, work, point]) await mkdir(path!);
    const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    execFileSync("mount", ["-t", "overlay", "-o", layers, "overlay", point!]);
    try {
      const probe = await probeContainerEngine({
        stateDirectory: point!,
        imagesDirectory: join(directory, "images"),
        now,
      });
      assert.equal(probe.ok, false);
      assert.match(
        probe.ok ? "" : probe.reason,
        /overlay can't be mounted on the state directory; choose one on ext4/,
      );
      assert.deepEqual(await readdir(point!), []);
    } finally {
      execFileSync("umount", [point!]);
    }
  });

  test("says that root is needed to whoever is not", () => {
    const module = new URL("../../../../services/node-manager/backends/container/probe.ts", import.meta.url);
    const program = `import { probeContainerEngine } from ${JSON.stringify(module.pathname)};
      console.log(JSON.stringify(await probeContainerEngine({ stateDirectory: "/", imagesDirectory: "/", now: () => 0 })));`;
    const node = [process.execPath, "--input-type=module-typescript", "-e", program];
    const said = execFileSync("setpriv", ["--reuid", "65534", "--clear-groups", ...node]).toString();
    assert.deepEqual(JSON.parse(said), { ok: false, reason: "containers need root; run it as root" });
  });
});
