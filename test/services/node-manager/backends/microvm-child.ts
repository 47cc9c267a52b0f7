import { microvmBackend } from "#services/node-manager/backends/microvm/engine.ts";
import { IMAGES_DIRECTORY } from "#services/node-manager/backends/open.ts";

/*
 * A node manager that runs a command on a terminal of one sliver, and another one without end, and stays until it is
 * killed: `node microvm-child.ts '{"node":…,"stateDirectory":…,"id":…}'`. It says `up` when both run.
 */
const { node, stateDirectory, id } = JSON.parse(process.argv[2]!);
const backend = await microvmBackend({
  ...{ node, stateDirectory, imagesDirectory: IMAGES_DIRECTORY, images: ["busybox"] },
  now: () => 1_900_000_000,
});
const terminal = { type: "xterm", columns: 80, rows: 24 };
const waiting = await backend.exec(id, { argv: ["sleep", "4141"], terminal });
waiting.stdout.resume();
const endless = await backend.exec(id, { argv: ["cat", "/dev/zero"] });
endless.stdout.resume();
endless.stdout.once("data", () => console.log("up"));
