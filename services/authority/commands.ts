import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type CertificateKind, validityFrom } from "#shared/identity/certificate.ts";
import { createNewFile, taken } from "#shared/identity/new-file.ts";
import type { RevocationList } from "#shared/model/revocation.ts";
import { formatInstant } from "#shared/model/time.ts";
import { commandOf, runCommandLine, type Terminal } from "#shared/runtime/command-line.ts";
import { runService } from "#shared/runtime/lifecycle.ts";
import { jsonText, outputOption } from "#shared/runtime/listing.ts";
import { initAuthority, openAuthority, predecessorIn } from "./authority.ts";
import { loadAuthorityConfig } from "./config.ts";
import { enrol } from "./enrolment.ts";
import { certificateTable, listCertificates, subjectRecord, subjectTable } from "./listing.ts";
import { LIST_DAYS } from "./revocation-list.ts";
import { startAuthority } from "./service.ts";
import { readSmallFile, readSubject } from "./subject.ts";

/** What the commands speak to, and the real time. */
type AuthorityTerminal = Terminal & { readonly now: Date; readonly env?: NodeJS.ProcessEnv };

const AUTHORITY_DAYS = 3653; // ten years
const CERTIFICATE_DAYS = 365;
/** How often an authority that serves looks whether its operator has written something else. */
const CONFIG_MS = 2_000;

/** Runs one `slicelab authority` command and gives its exit code: 0 ok, 1 error, 2 usage. */
export function runAuthority(argv: readonly string[], terminal: AuthorityTerminal): Promise<number> {
  return runCommandLine(authorityCommand(terminal), argv, terminal);
}

/** `slicelab authority` with all its commands. */
export function authorityCommand(terminal: AuthorityTerminal): Command {
  const command = commandOf(
    "authority",
    "The consortium's certificate authority: it certifies the keys of researchers and services.",
    terminal,
  );
  addInit(command, terminal);
  addRequest(command, terminal);
  addIssue(command, terminal);
  addShow(command, terminal);
  addList(command, terminal);
  addRevoke(command, terminal);
  addRevocations(command, terminal);
  addServe(command, terminal);
  return command;
}

function addServe(parent: Command, { env = {} }: AuthorityTerminal): void {
  parent
    .command("serve")
    .description("certify for registrars over the network, until interrupted")
    .option("--config <file>", "a TOML file; the environment's SLICELAB_AUTHORITY_… win over it")
    .action(async ({ config }: { config?: string }) => {
      const read = () => loadAuthorityConfig(config, env);
      const following = { read, everyMs: CONFIG_MS };
      await runService("authority", ({ log }) => startAuthority(read(), { log, following }));
    });
}

function directoryOption(): Option {
  return new Option("--dir <directory>", "where the authority is kept")
    .env("SLICELAB_AUTHORITY")
    .default(join(homedir(), ".slicelab", "authority"), "~/.slicelab/authority");
}

function addInit(parent: Command, { out, now }: AuthorityTerminal): void {
  parent
    .command("init")
    .description("make a new authority")
    .addOption(directoryOption())
    .option("--name <name>", "what it is called in the certificates it issues", "Slicelab authority")
    .option(
      "--takes-over <directory>",
      "where the authority is kept that this one takes over from: whoever that one certified is certified again, whomever it revoked is not",
    )
    .action(async (options: { dir: string; name: string; takesOver?: string }) => {
      const validity = validityFrom(now, AUTHORITY_DAYS);
      const takesOver = options.takesOver === undefined ? undefined : await predecessorIn(options.takesOver);
      await initAuthority(options.dir, { name: options.name, validity, takesOver });
      out(`${join(options.dir, "ca.pem")}\n`);
    });
}

function addRequest(parent: Command, { out, err }: AuthorityTerminal): void {
  parent
    .command("request")
    .description(
      "make a private key here, where it is used, and a certificate request to send to the authority",
    )
    .requiredOption("--name <name>", "what the files are called: NAME.key and NAME.csr")
    .requiredOption("--out <directory>", "where they go; the key stays there")
    .addOption(
      new Option("--rsa-bits <bits>", "size of the key").choices(["2048", "3072", "4096"]).default("2048"),
    )
    .action(async (options: { name: string; out: string; rsaBits: string }) => {
      const made = await enrol(options.out, options.name, Number(options.rsaBits));
      err(`private key ${made.keyFile} (keep it), key name ${made.key.name}\n`);
      out(`${made.requestFile}\n`);
    });
}

type IssueOptions = {
  readonly dir: string;
  readonly name: string;
  readonly kind: CertificateKind;
  readonly address: readonly string[];
  readonly days: number;
  readonly out: string;
};

function addIssue(parent: Command, { out, err, now }: AuthorityTerminal): void {
  parent
    .command("issue")
    .description("certify the key of a certificate request; names and usages in the request are ignored")
    .argument("<request>", "the certificate request, NAME.csr")
    .addOption(directoryOption())
    .requiredOption("--name <name>", "what whoever holds the key is called")
    .addOption(
      new Option("--kind <kind>", "client: a researcher; server: a service")
        .choices(["client", "server"])
        .makeOptionMandatory(),
    )
    .option(
      "--address <address>",
      "an IP address or DNS name the service is reached at (repeatable)",
      collect,
      [],
    )
    .option("--days <days>", "how long the certificate is valid", wholeDays, CERTIFICATE_DAYS)
    .requiredOption("--out <file>", "where the certificate goes")
    .action(async (request: string, options: IssueOptions) => {
      if (existsSync(options.out)) throw taken(options.out); // before it is in the register
      const authority = await openAuthority(options.dir);
      const { certPem, serial } = await authority.issue(await readSmallFile(request), {
        name: options.name,
        kind: options.kind,
        addresses: options.address,
        validity: validityFrom(now, options.days),
      });
      await createNewFile(options.out, certPem, 0o644);
      err(`certified ${options.name} (${options.kind}) for ${options.days} days, serial ${serial}\n`);
      out(`${options.out}\n`);
    });
}

function addShow(parent: Command, { out }: AuthorityTerminal): void {
  parent
    .command("show")
    .description("say whose a certificate, key or certificate request is")
    .argument("<file>", "a file in PEM")
    .addOption(outputOption())
    .action(async (file: string, options: { output: string }) => {
      const subject = await readSubject(file);
      out(options.output === "json" ? jsonText(subjectRecord(subject)) : subjectTable(subject));
    });
}

function addList(parent: Command, { out, now }: AuthorityTerminal): void {
  parent
    .command("list")
    .description("list every certificate ever issued")
    .addOption(directoryOption())
    .addOption(outputOption())
    .action(async (options: { dir: string; output: string }) => {
      const certificates = await listCertificates(await openAuthority(options.dir), now);
      out(options.output === "json" ? jsonText(certificates) : certificateTable(certificates));
    });
}

function addRevoke(parent: Command, { out, err, now }: AuthorityTerminal): void {
  parent
    .command("revoke")
    .description("never again certify a key, and sign the list from which everybody learns not to believe it")
    .argument("<key>", "its name (64 hex digits), or a file with the key, its request or its certificate")
    .addOption(directoryOption())
    .action(async (key: string, options: { dir: string }) => {
      const authority = await openAuthority(options.dir);
      const name = /^[0-9a-f]{64}$/.test(key) ? key : (await readSubject(key)).key.name;
      const { file, list } = await authority.revoke(name, now);
      err(revokedMessage(file, list));
      out(`${name}\n`);
    });
}

function revokedMessage(file: string, { number, nextUpdate = 0 }: RevocationList): string {
  return `revoked, for ever, in list number ${number}: it is never certified again, and nothing else happens before agents have that list.
An agent that asks this authority (authority.url in its agent.toml, while "slicelab authority serve" runs) has it within half a
minute. Give it to every other one by hand, from wherever the agent can be called:

    slicelab admin revocation publish '${file}'

From then on the agent refuses the key at the next call. Nodes that can be reached end what stands on it within seconds,
those that are away when they are back; brokers and slice commands learn it from the agent. To see it:

    slicelab admin revocation list
    slicelab admin revocation nodes

Before ${formatInstant(nextUpdate)} UTC the next list is due: see slicelab authority revocations.
`;
}

function addRevocations(parent: Command, { out, err, now }: AuthorityTerminal): void {
  parent
    .command("revocations")
    .description(
      "sign the list of revoked keys again where that is due, so that nobody takes it for held back, and say where it is",
    )
    .addOption(directoryOption())
    .option("--days <days>", "for how long another list is good", wholeDays, LIST_DAYS)
    .action(async ({ dir, days }: { dir: string; days: number }) => {
      const authority = await openAuthority(dir);
      const { file, list } = await authority.revocations(now, days);
      const { number, revoked, nextUpdate = 0 } = list;
      const due = `the next is due by ${formatInstant(nextUpdate)} UTC`;
      err(`list number ${number} names ${revoked.length} keys; ${due}\n`);
      err(`give it to agents that do not ask: slicelab admin revocation publish '${file}'\n`);
      out(`${file}\n`);
    });
}

function collect(value: string, earlier: readonly string[]): string[] {
  return [...earlier, value];
}

function wholeDays(value: string): number {
  if (/^[1-9][0-9]{0,3}$/.test(value)) return Number(value);
  throw new InvalidArgumentError("Give a whole number of days, 1 to 9999.");
}
