import { parseArgs } from "node:util";
import { chooseEngine } from "./engine-choice.ts";
import { TESTBED_ENGINES, type TestbedEngine } from "./layout.ts";
import type { TestbedOptions } from "./options.ts";
import { testbedTable } from "./table.ts";
import type { Testbed } from "./testbed.ts";

const USAGE = `Usage: npm run testbed -- --home DIR [--nodes N] [--engine ENGINE] [--administrative] [--plain] [--no-monitors] [--no-broker]
                          [--ports random]

Runs a whole deployment on this machine until interrupted: PostgreSQL, an authority, an agent, a broker and N node managers,
each with a resource monitor, with alice and bob (researchers) and admin enrolled. Writes DIR/testbed.json for programs.
Started again on the same DIR, everything comes back: leases, slivers and their disks.

  --home DIR           where all of it lives
  --nodes N            how many nodes (3)
  --engine ENGINE      what slivers are: container, microvm, docker (of DOCKER_HOST), or simulated (simulated)
  --administrative     nodes let admin have slices that see them whole (slice create … --capability CAP_NET_RAW)
  --plain              also open the ports without TLS that clients of version 0.5 probe
  --no-monitors        no resource monitors: nothing tells the agent how loaded nodes are
  --no-broker          no broker: people's commands find nodes and gather tickets themselves
  --ports random       choose all ports free, instead of the usual ones where they are free

Ctrl-C ends it, stops the slivers and keeps their disks. SIGHUP starts services again that were killed.`;

/** The command line asks for something there is not. */
class UsageError extends Error {
  override readonly name = "UsageError";
}

function isArgumentError(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === "string" && code.startsWith("ERR_PARSE_ARGS");
}

function readArguments(): Omit<TestbedOptions, "progress"> | undefined {
  const { values } = parseArgs({
    options: {
      home: { type: "string" },
      nodes: { type: "string", default: "3" },
      engine: { type: "string", default: "simulated" },
      administrative: { type: "boolean", default: false },
      plain: { type: "boolean", default: false },
      "no-monitors": { type: "boolean", default: false },
      "no-broker": { type: "boolean", default: false },
      ports: { type: "string", default: "default" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  if (!values.home) throw new UsageError("--home DIR is needed: where the testbed lives");
  if (!/^[1-9][0-9]{0,3}$/.test(values.nodes)) throw new UsageError("--nodes takes a number from 1 to 9999");
  const engine = TESTBED_ENGINES.find((name) => name === values.engine);
  if (!engine) throw new UsageError(`--engine is one of ${TESTBED_ENGINES.join(", ")}`);
  if (!["default", "random"].includes(values.ports)) throw new UsageError("--ports is default or random");
  return {
    home: values.home,
    nodes: Number(values.nodes),
    engine: engine satisfies TestbedEngine,
    administrative: values.administrative,
    plain: values.plain,
    monitors: !values["no-monitors"],
    broker: !values["no-broker"],
    randomPorts: values.ports === "random",
  };
}

async function main(): Promise<void> {
  const chosen = readArguments();
  if (!chosen) return void process.stdout.write(`${USAGE}\n`);
  const asked = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => asked.resolve());
  await chooseEngine(chosen.engine, chosen.home);
  const { startTestbed } = await import("./testbed.ts");
  await using testbed = await startTestbed({ ...chosen, progress: say });
  process.stdout.write(`${testbedTable(testbed)}\n`);
  say(`ready: ${testbed.layout.description}; Ctrl-C ends it`);
  process.on("SIGHUP", () => revive(testbed));
  const { agent, broker, nodes } = testbed;
  for (const { part } of [agent, ...(broker ? [broker] : []), ...nodes]) part.onEnd(report);
  testbed.monitors?.onEnd(report);
  agent.postgres?.onEnd(report);
  await asked.promise;
  say("ending services and stopping slivers; their disks stay");
}

/** Says when a service ends that nobody asked to end. */
function report(name: string, how: string): void {
  if (how !== "exit code 0") say(`the ${name} ended (${how}); kill -HUP ${process.pid} starts it again`);
}

function revive(testbed: Testbed): void {
  testbed.revive().then(
    (names) => say(names.length > 0 ? `started again: ${names.join(", ")}` : "every service is running"),
    (error: Error) => say(error.message),
  );
}

function say(line: string): void {
  process.stderr.write(`testbed: ${line}\n`);
}

try {
  await main();
} catch (error) {
  const usage = error instanceof UsageError || isArgumentError(error);
  say((error as Error).message);
  if (usage) process.stderr.write(`\n${USAGE}\n`);
  process.exitCode = usage ? 2 : 1;
}
