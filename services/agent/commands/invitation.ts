import { type Command, InvalidArgumentError, Option } from "commander";
import { loadIdentity } from "#shared/identity/identity.ts";
import type { ServiceTerminal } from "#shared/runtime/command-line.ts";
import { newInvitationSecret, secretHash, writeInvitation } from "#shared/wire/invitation.ts";
import type { AgentConfig } from "../config.ts";
import { addInvitation } from "../enrolment/invitations.ts";
import { placeOf } from "../enrolment/place.ts";
import { Office } from "../registry/office.ts";
import { collect, positive } from "./arguments.ts";
import { onConfig, type WithBooks } from "./books.ts";

type InvitationOptions = {
  readonly config: string;
  readonly kind: "person" | "node" | "service";
  readonly role?: "researcher" | "pi" | "administrator" | "agent";
  readonly name?: string;
  readonly site?: string;
  readonly address: readonly string[];
  readonly approve?: true;
  readonly uses?: number;
  readonly hours?: number;
};

/** `invitation create`: how the first administrator comes in, whom nobody could invite from elsewhere. */
export function addInvitationCommands(
  parent: Command,
  withBooks: WithBooks,
  configuration: (file: string) => AgentConfig,
  { out, clock }: ServiceTerminal,
): void {
  const invitation = parent.command("invitation").description("leave to enrol, for whoever is handed it");
  onConfig(invitation.command("create"))
    .description("print an invitation, to be handed to whoever is to join with it and to nobody else")
    .addOption(
      new Option("--kind <kind>", "whom it is for").choices(["person", "node", "service"]).default("person"),
    )
    .addOption(
      new Option("--role <role>", "of a person (default: researcher) or service").choices([
        ...["researcher", "pi", "administrator", "agent"],
      ]),
    )
    .option("--name <name>", "what whoever brings it is called here")
    .option("--site <site>", "where it belongs")
    .option(
      "--address <address>",
      "of a node or service: what its certificate names (repeatable)",
      collect,
      [],
    )
    .option("--approve", "approve whoever brings it, without looking")
    .option("--uses <number>", "how many may bring it (default: 1)", positive)
    .option("--hours <number>", "how long it is good for (default: 168, a week)", hours)
    .action(({ config: file, ...options }: InvitationOptions) =>
      withBooks({ config: file }, async ({ database }) => {
        const { listen, enrolment, identity } = configuration(file);
        const { key, certificate: cert, authority: ca } = identity;
        const { url, authorities } = placeOf(
          (await loadIdentity({ key, cert, ca })).tls,
          listen.tls_port,
          enrolment.url,
        );
        const { kind, role, name, site, address: addresses, approve: approves, uses } = options;
        const secret = newInvitationSecret();
        const wanted = { kind, role, name, site, addresses, approves, uses, secretHash: secretHash(secret) };
        const validSeconds = options.hours === undefined ? undefined : options.hours * 3600;
        await addInvitation(new Office(database, clock), { ...wanted, validSeconds }, () => undefined);
        out(`${writeInvitation({ url, authorities, secret })}\n`);
      }),
    );
}

function hours(text: string): number {
  const number = positive(text);
  if (number <= 8784) return number;
  throw new InvalidArgumentError("It is for a year at most.");
}
