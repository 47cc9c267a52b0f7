import { Fault } from "#shared/model/errors.ts";
import type { SshAccess } from "#shared/model/lease.ts";
import type { KeptFile, ProgramCommand } from "../journal/slice-record.ts";
import type { Effort } from "../network/fan-out.ts";
import { askKeeper } from "./program-keeper.ts";
import { programDigest, programTitle, runScript } from "./program-script.ts";
import { type TarFile, tarOf } from "./tar.ts";

/** All that is sent into a sliver to have a program running there: what is asked of it, and an archive. */
export type Launch = { readonly words: readonly string[]; readonly archive: Buffer };

/** What came of it. `pretended`: the engine only simulates, and so nothing ran; what it said instead. */
export type Launched =
  | { readonly result: "started" | "replaced" | "running" }
  | { readonly result: "ended"; readonly exit: number }
  | { readonly result: "pretended"; readonly said: string };

/** A file of a program, and what is in it. */
export type LaunchFile = KeptFile & { readonly contents: Buffer };

export type LaunchTerms = {
  readonly name: string;
  /** `keep`: whatever runs under that name already stays. */
  readonly others: "replace" | "keep";
  readonly files: readonly LaunchFile[];
  /** Seconds since 1970: when the files were changed last, as far as the sliver is told. */
  readonly modified: number;
};

/** The launch of a program, the same for every sliver. */
export function launchOf(program: ProgramCommand, { name, others, files, modified }: LaunchTerms): Launch {
  const own = (path: string, text: string): TarFile => ({ path, mode: 0o644, contents: Buffer.from(text) });
  const kept = files.map(({ path, mode, sha256 }) => ({ path, mode, sha256 }));
  return {
    words: ["put", name, programDigest(program, kept), others],
    archive: tarOf(
      [
        ...files.map(({ path, mode, contents }) => ({ path: `files/${path}`, mode, contents })),
        own("title", `${programTitle(program)}\n`),
        own("restart", `${program.restart}\n`),
        own("run", runScript(program)), // at last: without it the archive is not whole
      ],
      modified,
    ),
  };
}

/**
 * Has a program running in a sliver, whoever goes away. What is there already is neither put there again nor started
 * twice: the sliver itself knows, so a rerun needs no memory. Throws as `askKeeper`.
 */
export async function launch(
  { words, archive }: Launch,
  access: SshAccess,
  privateKey: string,
  effort: Pick<Effort, "signal" | "deadlineMs">,
): Promise<Launched> {
  const { lines, said } = await askKeeper({ access, privateKey, effort }, words, archive);
  const [result, exit] = lines.at(-1) ?? ["pretended"];
  switch (result) {
    case "started":
    case "replaced":
    case "running":
      return { result };
    case "ended":
      return { result, exit: Number(exit) };
    case "pretended":
      return { result, said };
    default:
      throw new Fault("BACKEND_FAILED", "the sliver answered what is no answer; its scripts were changed");
  }
}
