import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { openPseudoTerminal } from "#services/node-manager/backends/container/inside/pseudo-terminal.ts";
import { eventually, within } from "#test/support/deadline.ts";
import { engineProbe } from "../backends/container-bench.ts";
import { type SshSliverLab, sshSliverLab } from "../lab/ssh-sliver-lab.ts";

const probe = await engineProbe();

/** Somebody at a terminal of their own, in which ssh runs. */
type Person = AsyncDisposable & {
  type(text: string): void;
  /** Waits until the terminal has shown this since it was last waited for. */
  sees(what: RegExp): Promise<string>;
  resize(columns: number, rows: number): void;
  readonly ended: Promise<number | null>;
};

async function sitDown(lab: SshSliverLab, args: readonly string[], columns = 90, rows = 30): Promise<Person> {
  const terminal = await openPseudoTerminal(columns, rows);
  const { programEnd, input, output } = terminal;
  const stdio = [programEnd, programEnd, programEnd];
  const child = spawn("ssh", ["-F", lab.config, ...args], {
    stdio,
    detached: true,
    env: { ...process.env, TERM: "xterm" },
  });
  terminal.handOver();
  let shown = "";
  output.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
  });
  const ended = Promise.all([once(child, "close"), once(output, "end")]).then(
    ([[code]]) => code as number | null,
  );
  return {
    ended,
    type: (text) => input.write(text),
    async sees(what) {
      const found = await eventually(() => what.exec(shown) ?? undefined, {
        what: `${what} in ${shown}`,
      }).catch((error) => {
        throw new Error(`${what} was not shown: ${JSON.stringify(shown)}`, { cause: error });
      });
      shown = shown.slice(found.index + found[0].length);
      return found[0];
    },
    resize(newColumns, newRows) {
      terminal.resize(newColumns, newRows);
      child.kill("SIGWINCH"); // the kernel tells only those whose controlling terminal it is
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await within(ended);
    },
  };
}

const PROMPT = /oceanstore@oceanstore:~\$ /;

describe("a terminal in a sliver", { skip: !probe.ok && probe.reason, timeout: 600_000 }, () => {
  let lab: SshSliverLab;
  before(async () => {
    lab = await sshSliverLab();
  });
  after(() => lab[Symbol.asyncDispose]());

  test("has the size and kind that was asked for from its first moment on", async () => {
    await using person = await sitDown(
      lab,
      ["-t", "oceanstore", "stty size; tty; echo $TERM; stty -a; exit 4"],
      101,
      33,
    );
    await person.sees(/33 101\r\n\/dev\/pts\/\d+\r\nxterm\r\n/);
    await person.sees(/[^-]iutf8/);
    assert.equal(await within(person.ended), 4);
  });

  test("follows the window, tells the program in it, and ends with the shell's exit code", async () => {
    await using person = await sitDown(lab, ["oceanstore"]);
    await person.sees(PROMPT);
    person.type("trap 'echo window' WINCH; stty size\r");
    await person.sees(/30 90\r\n/);
    await person.sees(PROMPT);
    person.resize(123, 41);
    person.type("\r");
    await person.sees(/window\r\n/);
    person.type("stty size; shopt -q login_shell && echo login\r");
    await person.sees(/41 123\r\nlogin\r\n/);
    await person.sees(PROMPT);
    person.type("exit 7\r");
    assert.equal(await within(person.ended), 7);
  });

  test("interrupts the program that runs in it, and nothing else", async () => {
    await using person = await sitDown(lab, ["oceanstore"]);
    await person.sees(PROMPT);
    person.type("sleep 1000 || echo ended with $?\r");
    await person.sees(/ended with \$\?\r\n/);
    await eventually(async () => (await lab.ssh("oceanstore", "pgrep -x sleep")).code === 0);
    person.type("\x03");
    await person.sees(/\^C/);
    await person.sees(PROMPT);
    person.type("echo ready; cat\r");
    await person.sees(/ready\r\n/);
    person.type("typed\r");
    await person.sees(/typed\r\ntyped\r\n/);
    person.type("\x04");
    await person.sees(PROMPT);
    person.type("sleep 1000\r");
    await eventually(async () => (await lab.ssh("oceanstore", "pgrep -x sleep")).code === 0);
    person.type("\x1a");
    await person.sees(/Stopped +sleep 1000/);
    person.type("kill %1\r");
    await person.sees(PROMPT);
  });

  test("carries programs that draw on all of it", async () => {
    await using person = await sitDown(lab, ["oceanstore"]);
    await person.sees(PROMPT);
    person.type("top\r");
    await person.sees(/Tasks:[\s\S]*COMMAND/);
    person.type("q");
    await person.sees(PROMPT);
    person.type("vi poem\r");
    await person.sees(/\[New\]|\[New File\]/);
    person.type("iür Elise\x1b:wq\r");
    await person.sees(/written/);
    await person.sees(PROMPT);
    assert.equal((await lab.ssh("oceanstore", "cat poem; rm poem")).out, "ür Elise\n");
    person.type("seq 1 500 | less\r");
    await person.sees(/\n22\r+\n/);
    person.type("q");
    await person.sees(PROMPT);
  });

  test("loses no byte of much output", async () => {
    await using person = await sitDown(lab, ["-t", "oceanstore", "seq 1 200000; echo the end"]);
    const shown = await person.sees(/^1\r\n[\s\S]*\r\n200000\r\nthe end\r\n/);
    assert.equal(shown, `${Array.from({ length: 200_000 }, (_, at) => at + 1).join("\r\n")}\r\nthe end\r\n`);
    assert.equal(await within(person.ended), 0);
  });

  test("hangs up what runs in it when the client vanishes", async () => {
    await using person = await sitDown(lab, ["oceanstore"]);
    await person.sees(PROMPT);
    person.type("sleep 2121\r");
    const there = async () => (await lab.ssh("oceanstore", "pgrep -f 'sleep 212[1]'")).code === 0;
    await eventually(there);
    await person[Symbol.asyncDispose]();
    await eventually(async () => !(await there()));
  });

  test("can be had without one here, as scripts do", async () => {
    const { code, out } = await lab.ssh("-tt", "tiny", "tty; exit 3");
    assert.deepEqual([code, out], [3, "/dev/pts/0\r\n"]);
  });

  test("is refused to a command that is not there, with its exit code", async () => {
    const { code, out } = await lab.ssh("-tt", "oceanstore", "nosuch");
    assert.equal(code, 127);
    assert.match(out, /nosuch: command not found/);
  });
});
