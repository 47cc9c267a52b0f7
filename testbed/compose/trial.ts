import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";
import { debianSources } from "#services/node-manager/backends/images/debian-sources.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { type PrivateDaemon, startPrivateDaemon } from "../docker-daemon.ts";
import { isThere } from "../packages.ts";
import { COMPOSED_NODES } from "./addresses.ts";
import { type Container, offlineImages, Project } from "./project.ts";

/**
 * Tries docker-compose.yml on a Docker daemon of its own, with images of Debian's packages: brings it up, has a slice run a
 * program, crashes and restarts every service, looks whether the slice lives on, deletes it, and takes everything down.
 */
const USAGE = `Usage: node testbed/compose/trial.ts [--each]

Needs root, and what npm run setup installs. Exits with 0 when all went well, and also, saying why, where no Docker daemon
can be started or no mirror of Debian's packages answers; with 1 when something failed.

  --each   crashes and restarts services one by one, too, which takes minutes`;

const SLICE = "trial";
const PATIENCE_MILLISECONDS = 120_000;
const LOOK_AGAIN_MILLISECONDS = 500;
/** Leaves a line on the sliver's disk whenever it starts. */
const PROGRAM = "echo started >> starts; exec sleep 1000000";
const ENDED_ONCE = "setup";

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { each: { type: "boolean", default: false }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) return void process.stdout.write(`${USAGE}\n`);
  if (!isThere("docker-compose")) return cannot("there is no docker-compose; npm run setup installs it");
  if (!(await aMirrorAnswers())) return cannot("no mirror of Debian's packages answers");
  let daemon: PrivateDaemon;
  try {
    daemon = await startPrivateDaemon();
  } catch (error) {
    if (error instanceof OperatorError) return cannot(error.message);
    throw error;
  }
  await using _daemon = daemon;
  const host = `unix://${daemon.socket}`;
  step("a Docker daemon runs");
  const images = await offlineImages(host);
  step("images made of Debian's packages");
  const project = new Project("slicelab-trial", { ...images, DOCKER_HOST: host });
  const interrupted = Promise.withResolvers<never>();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => interrupted.reject(new OperatorError(`ended by ${signal}`)));
  try {
    await Promise.race([tryAll(project, values.each), interrupted.promise]);
  } catch (error) {
    await tellState(project);
    throw error;
  } finally {
    await project.compose("down", "--volumes", "--timeout", "30").catch((error: Error) => say(error.message));
  }
}

async function tryAll(project: Project, each: boolean): Promise<void> {
  await project.compose("build", "setup");
  step("image of Slicelab built");
  await project.compose("up", "--detach", "--no-build");
  await allHealthy(project);
  step("up, and every service healthy");
  const shell = await project.keepShell();
  const described = JSON.parse(await project.exec(shell, "cat", "/testbed/testbed.json"));
  expect(described.nodes.length === COMPOSED_NODES, "testbed.json does not tell of all nodes");

  await allAdvertised(project, shell);
  await project.shell("slice", "create", SLICE, "--nodes", String(COMPOSED_NODES));
  await project.exec(shell, "slice", "launch", SLICE, "--", "sh", "-c", PROGRAM);
  await programsRun(project, shell);
  const users = await project.exec(shell, "slice", "exec", SLICE, "--", "cat", "/proc/self/uid_map");
  expect(!/\b0 +0 +4294967295\b/.test(users), "root in slivers is root of the machine");
  step(`a slice of ${COMPOSED_NODES} runs a program`);

  const services = (await project.containers()).filter(({ service }) => service !== ENDED_ONCE);
  const waves = [
    services.map(({ service }) => service),
    ...(each ? services.map(({ service }) => [service]) : []),
  ];
  for (const wave of waves) {
    const name = wave.length === 1 ? wave[0] : "everything";
    await crash(project, wave);
    await recovers(project, shell);
    step(`${name} was killed, and the slice lives`);
    await project.compose("restart", "--timeout", "30", ...wave);
    await recovers(project, shell);
    step(`${name} was restarted, and the slice lives`);
  }
  const starts = await project.exec(shell, "slice", "exec", SLICE, "--", "cat", "starts");
  expect(
    starts.split("started").length > 2 * COMPOSED_NODES,
    `slivers have lost what was on their disks:\n${starts}`,
  );

  await project.exec(shell, "slice", "delete", SLICE);
  const left = await sliversOf(described.nodes);
  expect(left.length === 0, `slivers outlived their slice: ${left.join(", ")}`);
  step("the slice is deleted, and nothing of it left");
  await project.compose("down", "--volumes", "--timeout", "30");
  const remains = await project.remains();
  expect(remains.length === 0, `down left ${remains.join(", ")}`);
  step("taken down, and nothing left");
}

/** Ends the first process of each container, as a crash or the kernel's killer does: none knows, Docker was not asked. */
async function crash(project: Project, services: readonly string[]): Promise<void> {
  const crashed = (await project.containers()).filter(({ service }) => services.includes(service));
  for (const { pid } of crashed) process.kill(pid, "SIGKILL");
  const before = new Map(crashed.map(({ service, pid }) => [service, pid]));
  await eventually(project, "a container is not started again", (containers) =>
    containers.every(
      ({ service, running, pid }) => !before.has(service) || (running && pid !== before.get(service)),
    ),
  );
}

async function recovers(project: Project, shell: string): Promise<void> {
  await allHealthy(project);
  await programsRun(project, shell);
}

function allHealthy(project: Project): Promise<void> {
  return eventually(project, "not every service gets healthy", (containers) =>
    containers.every(({ service, health, running, exitCode }) =>
      service === ENDED_ONCE ? !running && exitCode === 0 : running && health === "healthy",
    ),
  );
}

/** A node that was up before it could tell the agent tries again, half a minute later. */
async function allAdvertised(project: Project, shell: string): Promise<void> {
  await eventually(project, "the agent does not advertise every node", async () => {
    const nodes = JSON.parse(await project.exec(shell, "slice", "node", "list", "-o", "json"));
    return nodes.length === COMPOSED_NODES;
  });
}

/** Whether the program of the slice runs in every sliver. It takes a moment, since a sliver is started anew with its node. */
async function programsRun(project: Project, shell: string): Promise<void> {
  await eventually(project, "the slice's programs do not run", async () => {
    const programs = JSON.parse(
      await project.exec(shell, "slice", "ps", SLICE, "-o", "json").catch(() => "[]"),
    );
    return programs.filter(({ state }: { state: string }) => state === "running").length === COMPOSED_NODES;
  });
}

async function eventually(
  project: Project,
  otherwise: string,
  isSo: (containers: readonly Container[]) => boolean | Promise<boolean>,
): Promise<void> {
  const until = performance.now() + PATIENCE_MILLISECONDS;
  while (!(await isSo(await project.containers()))) {
    if (performance.now() > until) throw new OperatorError(otherwise);
    await pause(LOOK_AGAIN_MILLISECONDS);
  }
}

/** The cgroups of slivers, which are the machine's. */
async function sliversOf(nodes: readonly { node: string }[]): Promise<string[]> {
  const hierarchies = ["", "memory", "unified"].map((name) => `/sys/fs/cgroup/${name}`);
  const names = await Promise.all(hierarchies.map((path) => readdir(path).catch(() => [])));
  const marks = nodes.map(({ node }) => `slicelab-${node.slice(0, 8)}-`);
  return names.flat().filter((name) => marks.some((mark) => name.startsWith(mark)));
}

async function tellState(project: Project): Promise<void> {
  for (const { id, service, running, health, exitCode } of await project.containers()) {
    if (service === ENDED_ONCE ? exitCode === 0 : running && health === "healthy") continue;
    say(`${service}: ${running ? health : `ended with ${exitCode}`}`);
    say(await project.docker("logs", "--tail", "20", id).catch((error: Error) => error.message));
  }
}

/** Whether images can be made. apt asks, which knows how this machine reaches its mirrors. */
async function aMirrorAnswers(): Promise<boolean> {
  const [, uri = "http://deb.debian.org/debian", suite = "bookworm"] =
    (await debianSources())[0]?.split(" ") ?? [];
  const place = await mkdtemp(join(tmpdir(), "slicelab-trial-"));
  try {
    const url = `${uri.replace(/\/$/, "")}/dists/${suite}/InRelease`;
    await promisify(execFile)("/usr/lib/apt/apt-helper", ["download-file", url, join(place, "release")]);
    return true;
  } catch (error) {
    say((error as Error).message);
    return false;
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

function expect(isSo: boolean, otherwise: string): void {
  if (!isSo) throw new OperatorError(otherwise);
}

function cannot(why: string): void {
  say(`not tried here: ${why}`);
}

function step(what: string): void {
  say(`${(performance.now() / 1000).toFixed(0).padStart(4)} s  ${what}`);
}

function say(line: string): void {
  process.stderr.write(`compose: ${line}\n`);
}

try {
  await main();
} catch (error) {
  say((error as Error).message);
  process.exitCode = 1;
}
