import { open } from "node:fs/promises";

/**
 * Preloaded into a program by `node --import`: kills it with -9 just before it makes something durable (fsync) for the
 * nth time, n being SLICELAB_TEST_KILL_BEFORE. Nothing is flushed, closed or undone.
 */
let left = Number(process.env.SLICELAB_TEST_KILL_BEFORE);
const file = await open(process.execPath);
const prototype: typeof file = Object.getPrototypeOf(file);
await file.close();

const { sync } = prototype;
prototype.sync = function () {
  left -= 1;
  if (left === 0) process.kill(process.pid, "SIGKILL");
  return sync.call(this);
};
