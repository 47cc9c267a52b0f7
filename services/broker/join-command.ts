import type { Command } from "commander";
import type { ServiceTerminal } from "#shared/runtime/command-line.ts";

type JoinOptions = {
  readonly address: string;
  readonly dir: string;
  readonly state: string;
  readonly database: string;
  readonly redis?: string;
  readonly name: string;
  readonly note?: string;
};

/** `join`: this machine gets a broker that asks an agent. */
export function addJoin(
  parent: Command,
  { out, err, env }: Pick<ServiceTerminal, "out" | "err" | "env">,
): void {
  parent
    .command("join")
    .description("enrol a broker on this machine at an agent, and write its configuration; may be run again")
    .argument("<invitation>", "the word the agent's administrator gave you")
    .requiredOption("--address <address>", "the IP address or name that researchers call it by")
    .option("--dir <directory>", "where broker.toml and the authority's certificate go", "/etc/slicelab")
    .option("--state <directory>", "where its key and certificate go", "/var/lib/slicelab/broker")
    .option(
      "--database <url>",
      "the URL of its PostgreSQL database",
      "postgresql:///slicelab?host=/var/run/postgresql",
    )
    .option("--redis <url>", "the URL of a Redis for its queue (default: the queue is in the database)")
    .option("--name <name>", "what you would like it to be called", "broker")
    .option("--note <text>", "for the administrator who decides")
    .action(async (invitation: string, { dir: directory, ...options }: JoinOptions) => {
      const { joinBroker } = await import("./joining.ts");
      const { waitingText } = await import("#shared/wire/joining.ts");
      const { file, place } = await joinBroker({
        ...{ ...options, invitation, directory, env },
        onWaiting: (enrolment) => err(`${waitingText(enrolment)}\n`),
        onNotice: (text) => err(`${text}\n`),
      });
      err(
        `researchers use it with these lines in their config.toml:\n\n[broker]\nurl = "${place.url}"\nidentity = "${place.identity}"\n\n`,
      );
      out(`${file}\n`);
    });
}
