import type { Command, Terminal } from "../backends/backend.ts";
import { wordsOf } from "./command-words.ts";

/*
 * How a login goes on inside a sliver, in the words of the smallest sh there is. What the node cannot know safely — the
 * account's shell as it is now, whether the home is there — the sliver's own sh finds out. All of it runs as the login
 * user, so nothing in it can be turned against anybody else.
 */

/** The shell of the account as /etc/passwd says now, which may be another than the engine's $SHELL. */
const FIND_SHELL = `
while IFS=: read -r name _ _ _ _ _ shell; do
  if [ "$name" = "$USER" ] && [ -x "$shell" ]; then SHELL=$shell; fi
done </etc/passwd 2>/dev/null
if [ ! -x "$SHELL" ]; then SHELL=/bin/sh; fi
export SHELL`;

const GO_HOME = `
cd "\${HOME:-/}" 2>/dev/null || echo "slicelab: there is no $HOME here; this is $PWD" >&2`;

/** Every client's terminal speaks UTF-8 by now; the kernel's line editing must know. */
const TERMINAL = `
stty iutf8 2>/dev/null`;

const SFTP_SERVERS = [
  "/usr/lib/openssh/sftp-server", // Debian
  "/usr/libexec/openssh/sftp-server", // Fedora
  "/usr/lib/ssh/sftp-server", // Alpine, Arch
  "/usr/libexec/sftp-server",
];
const SFTP = `
for server in ${SFTP_SERVERS.join(" ")}; do
  if [ -x "$server" ]; then exec "$server"; fi
done
echo "slicelab: this sliver's image has no sftp server; use ssh with cat or tar, or install openssh-sftp-server" >&2
exit 127`;

/** A command as the client asked for it, a login shell, or the server of sftp and of scp's usual way. */
export type Asked = { readonly commandLine: string } | "shell" | "sftp";

/** What an engine runs for it. */
export function loginCommand(
  asked: Asked,
  env: Readonly<Record<string, string>>,
  terminal?: Terminal,
): Command {
  const common = { env, user: "login", workingDirectory: "/", terminal } as const;
  const begin = `${GO_HOME}${terminal ? TERMINAL : ""}`;
  const alone = { ...common, withoutShell: "impossible" } as const;
  if (asked === "sftp") return { ...alone, argv: ["/bin/sh", "-c", begin + SFTP], title: "sftp" };
  const shell = begin + FIND_SHELL;
  if (asked === "shell") {
    return { ...alone, argv: ["/bin/sh", "-c", `${shell}\nexec "$SHELL" -l`], title: "a shell" };
  }
  const { commandLine } = asked;
  const argv = ["/bin/sh", "-c", `${shell}\nexec "$SHELL" -c "$1"`, "sh", commandLine];
  return { ...common, argv, withoutShell: wordsOf(commandLine) ?? "impossible", title: commandLine };
}
