import { once } from "node:events";
import type { Socket } from "node:net";
import { PassThrough, type Readable, Writable } from "node:stream";
import { Fault } from "#shared/model/errors.ts";
import type { Command, RunningCommand, Terminal } from "../backend.ts";
import { checkCommand, environmentOf, isSize } from "../container/inside/oci-process.ts";
import { readProc, waitUntil } from "../machine/process.ts";
import type { Login } from "../seed/login.ts";
import type { Daemon } from "./daemon.ts";
import { Demultiplexer } from "./demultiplexer.ts";
import type { ContainerFacts } from "./sliver-container.ts";

const START_MILLISECONDS = 30_000;
const LONGEST_PAUSE = 20;
/** How long a command may take to end when it was hung up on. */
const HANG_UP_MILLISECONDS = 2_000;
/** What a shell answers for a command that could not be started. */
const NOT_STARTED = 127;
/** What is said of a command whose sliver has ended under it. */
const KILLED = 137;
/** From this version on the daemon is told the size of a terminal before the command can ask for it. */
const TELLS_SIZE = 42;
/** For earlier ones the command's own terminal is set before it becomes the command. */
const SIZED = 'stty cols "$1" rows "$2" 2>/dev/null; shift 2; exec "$@"';

/** What of `GET /exec/…/json` is used here. `Pid`: in the daemon's process table; 0 for what never ran. */
type ExecFacts = { readonly Running: boolean; readonly ExitCode: number | null; readonly Pid: number };

/**
 * Starts a command in a container; see `Backend.exec`. The daemon's process table must be this process's own. `patience`:
 * milliseconds until a command must have begun.
 */
export async function execute(
  daemon: Daemon,
  container: ContainerFacts,
  login: Login,
  command: Command,
  patience = START_MILLISECONDS,
): Promise<RunningCommand> {
  checkCommand(command);
  const id = await create(daemon, container, login, command);
  const { terminal } = command;
  const started = { Detach: false, Tty: terminal !== undefined, ...(terminal && sizeOf(daemon, terminal)) };
  const purpose = "start a command";
  const { socket, head } = await daemon.hijack({ purpose, path: `/exec/${id}/start`, body: started });
  socket.on("error", () => socket.destroy()); // told by its end
  if (head.length > 0) socket.unshift(head);
  const facts = () => daemon.find<ExecFacts>({ purpose: "ask for a command", path: `/exec/${id}/json` });
  const begun = await beginning(facts, patience).catch((error: unknown) => {
    // Where a sliver keeps a command from starting (its /etc/passwd is a pipe), nobody else would end the connection.
    socket.destroy();
    throw error;
  });
  if (begun?.Pid === 0) return notStarted(socket);
  if (begun && terminal) await sized(begun.Pid);

  const { stdout, stderr, drained } = outputsOf(socket, terminal !== undefined);
  let resizing: Promise<unknown> = Promise.resolve();
  const stdin = inputOf(socket, { isTerminal: terminal !== undefined, ready: () => resizing });
  let ended = false;
  const exit = drained
    .then(() => ending(facts))
    .finally(() => {
      ended = true;
    });
  exit.catch(() => undefined); // whoever waits for `exit` is told; nobody has to
  return {
    ...{ stdin, stdout, stderr, exit },
    kill(signal = "SIGTERM") {
      if (ended || !begun || begun.Pid <= 1) return;
      signalGroup(begun.Pid, signal);
      if (signal !== "SIGHUP") return;
      // What ignores it may go on inside, as after any lost connection, but nobody keeps its outputs open for it.
      const leaving = setTimeout(() => socket.destroy(), HANG_UP_MILLISECONDS);
      exit.finally(() => clearTimeout(leaving)).catch(() => undefined);
    },
    resize(columns, rows) {
      if (ended || !terminal || !isSize(columns) || !isSize(rows)) return;
      const query = { h: String(rows), w: String(columns) };
      const told = () =>
        // A command that has ended meanwhile needs no size.
        daemon.tell(
          { purpose: "resize", method: "POST", path: `/exec/${id}/resize`, query },
          [404, 409, 500],
        );
      resizing = resizing.then(told, told);
      resizing.catch(() => undefined); // the daemon is gone: `exit` tells
    },
  };
}

async function create(
  daemon: Daemon,
  { Id: container, Config }: ContainerFacts,
  login: Login,
  command: Command,
): Promise<string> {
  const { argv, terminal, workingDirectory = login.home } = command;
  const size = terminal && [String(terminal.columns), String(terminal.rows)];
  const body = {
    ...{ AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: terminal !== undefined },
    Cmd: size && daemon.version < TELLS_SIZE ? ["sh", "-c", SIZED, "sh", ...size, ...argv] : argv,
    Env: environmentOf(Config.Env, command, login),
    ...{ User: `${login.uid}:${login.gid}`, WorkingDir: workingDirectory },
  };
  const path = `/containers/${container}/exec`;
  const { Id } = await daemon.ask<{ Id: string }>({ purpose: "start a command", method: "POST", path, body });
  return Id;
}

function sizeOf(daemon: Daemon, { columns, rows }: Terminal): object {
  return daemon.version < TELLS_SIZE ? {} : { ConsoleSize: [rows, columns] };
}

/** Waits until the command runs or has ended; undefined when it went with its container. */
async function beginning(
  facts: () => Promise<ExecFacts | undefined>,
  patience: number,
): Promise<ExecFacts | undefined> {
  let known: ExecFacts | undefined;
  const begun = await waitUntil(
    async () => {
      known = await facts();
      return !known || known.Pid > 0 || known.ExitCode !== null; // it is said to run before it does
    },
    patience,
    LONGEST_PAUSE,
  );
  if (!begun)
    throw new Fault("BACKEND_FAILED", "the docker engine did not start the command in time; try again");
  return known;
}

/** Waits until what sets a terminal's size has become the command: a size told meanwhile would be lost. */
async function sized(pid: number): Promise<void> {
  await waitUntil(
    async () => !(await readProc(`/proc/${pid}/cmdline`))?.includes(SIZED),
    START_MILLISECONDS,
    LONGEST_PAUSE,
  );
}

async function ending(facts: () => Promise<ExecFacts | undefined>): Promise<{ code: number }> {
  let known: ExecFacts | undefined;
  await waitUntil(
    async () => {
      known = await facts();
      return !known?.Running;
    },
    START_MILLISECONDS,
    LONGEST_PAUSE,
  );
  return { code: known?.ExitCode ?? KILLED };
}

/** What the daemon says of why goes nowhere: it would have been the command's output. */
function notStarted(socket: Socket): RunningCommand {
  socket.destroy();
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.resume();
  stdout.end();
  stderr.end();
  const exit = Promise.all([stdout, stderr].map((output) => once(output, "end"))).then(() => {
    return { code: NOT_STARTED };
  });
  return { stdin, stdout, stderr, exit, kill: () => undefined };
}

function outputsOf(socket: Socket, isTerminal: boolean) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const drained = Promise.all([stdout, stderr].map((output) => once(output, "end")));
  if (isTerminal) stderr.end();
  const taking = socket.pipe(isTerminal ? stdout : new Demultiplexer({ stdout, stderr }));
  // However the connection ends, what was read of the outputs is all there is.
  socket.on("close", () => taking.end());
  if (socket.destroyed) taking.end();
  return { stdout: stdout as Readable, stderr: stderr as Readable, drained };
}

type InputOptions = { readonly isTerminal: boolean; readonly ready: () => Promise<unknown> };

/** What is typed after a terminal has got another size finds it so. The end of the input is no end of a terminal. */
function inputOf(socket: Socket, { isTerminal, ready }: InputOptions): Writable {
  return new Writable({
    write(chunk, _encoding, done) {
      // The command may end without reading its input.
      const write = () => (socket.writable ? socket.write(chunk, () => done()) : done());
      ready().then(write, write);
    },
    final(done) {
      if (!isTerminal) socket.end();
      done();
    },
  });
}

/** Signals every process of a group; nothing when there is none any more. */
export function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // it ended just now
  }
}
