import { runProgram } from "../machine/program.ts";

/** Where this machine itself gets bookworm's packages, as lines of a sources list; none if it runs another release. */
export async function debianSources(): Promise<string[]> {
  const format = "$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)";
  const argv = ["apt-get", "indextargets", "--format", format, "Created-By: Packages"] as const;
  const targets = (await runProgram("read the machine's package sources", argv)).trim().split("\n");
  const lines = targets.map((target) => /^Debian main (bookworm\S*) (\S+)$/.exec(target));
  return [
    ...new Set(lines.filter((line) => line !== null).map(([, suite, uri]) => `deb ${uri} ${suite} main`)),
  ];
}
