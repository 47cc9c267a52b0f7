import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../structure/source.ts";
import { temporaryDirectory } from "../support/directory.ts";

/** Command lines, each with the cursor in its last word, and everything that is offered there. */
const OFFERED: readonly (readonly [line: readonly string[], offered: readonly string[]])[] = [
  [["slice", "cr"], ["create"]],
  [["slice", "node", ""], ["list"]],
  [["slice", "words"], []],
  [["slice", "create", "--eng"], ["--engine"]],
  [
    ["slice", "list", "-o", ""],
    ["json", "name", "table", "wide", "yaml"],
  ],
  [
    ["slice", "status", ""],
    ["db", "web"],
  ],
  [["slice", "status", "-o", "json", "w"], ["web"]],
  [
    ["slice", "ssh", "web", ""],
    ["10.0.0.1", "10.0.0.2"],
  ],
  [["slice", "logs", "web", "10.0.0.2", "10.0.0.1"], ["10.0.0.1"]],
  [["slice", "status", "web", ""], []],
  [["slicelab", "auth"], ["authority"]],
  [["slicelab", "admin", "node", "over"], ["overbook"]],
  [["slicelab", "agent", "principal", "add", "--role", "p"], ["pi"]],
  [["slicelab", "nothing", ""], []],
];

/** Programs on the PATH that answer as `slice completion words` does, for two slices, one of them with nodes. */
async function stand(directory: string): Promise<void> {
  const answers = `#!/bin/sh
case "$*" in
"completion words slices") printf 'db\\nweb\\n' ;;
"completion words nodes web") printf '10.0.0.1\\n10.0.0.2\\n' ;;
esac
`;
  for (const name of ["slice", "slicelab"]) await writeFile(join(directory, name), answers, { mode: 0o755 });
}

const SCRIPTS = join(ROOT, "packaging/completions");
const quoted = (word: string) => `'${word}'`;

/** How each shell is made to say what it would offer: a line of words for each command line. */
const SHELLS: Readonly<Record<string, { readonly flags: readonly string[]; readonly program: string }>> = {
  bash: {
    flags: ["--norc", "-c"],
    program: [
      `source ${SCRIPTS}/slicelab.bash`,
      "compopt() { :; }",
      ...OFFERED.map(
        ([line]) =>
          `COMP_WORDS=(${line.map(quoted).join(" ")}); COMP_CWORD=${line.length - 1}; COMPREPLY=(); _slicelab; echo "\${COMPREPLY[*]}"`,
      ),
    ].join("\n"),
  },
  // Its own functions for what is offered work only while somebody presses a key: these say what they are given.
  zsh: {
    flags: ["-f", "-c"],
    program: [
      "compdef() { : }; _files() { : }; _default() { : }",
      'said() { local one; for one; do [[ $one == $words[CURRENT]* ]] && print -n -- "$one "; done }',
      'compadd() { shift; said "$@" }',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is zsh's, not ours
      '_describe() { said "${(@)${(@P)2}%%:*}" }',
      `source ${SCRIPTS}/_slicelab`,
      ...OFFERED.map(
        ([line]) => `words=(${line.map(quoted).join(" ")}); CURRENT=${line.length}; _slicelab; print`,
      ),
    ].join("\n"),
  },
  fish: {
    flags: ["--no-config", "-c"],
    program: [
      `source ${SCRIPTS}/slicelab.fish`,
      ...OFFERED.map(([line]) => `echo (complete -C '${line.join(" ")}' | string replace -r '\\t.*' '')`),
    ].join("\n"),
  },
};

for (const [shell, { flags, program }] of Object.entries(SHELLS)) {
  const missing = spawnSync(shell, ["-c", "true"]).error !== undefined;
  const skip = missing && `there is no ${shell} here`;
  test(`${shell} completes commands, options, their values, and slices and nodes from what is kept`, {
    skip,
  }, async () => {
    await using directory = await temporaryDirectory();
    await stand(directory.path);
    const env = {
      ...process.env,
      PATH: `${directory.path}${delimiter}${process.env.PATH}`,
      HOME: directory.path,
    };
    const said = execFileSync(shell, [...flags, program], { env, encoding: "utf8", timeout: 30_000 });
    const offered = said.split("\n").slice(0, OFFERED.length);
    assert.deepEqual(
      offered.map((words) =>
        words
          .split(" ")
          .filter((word) => word !== "")
          .sort(),
      ),
      OFFERED.map(([, words]) => words),
    );
  });
}
