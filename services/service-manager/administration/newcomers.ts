import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { KeyName } from "#shared/identity/key.ts";
import { Trust } from "#shared/identity/trust.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { newInvitationSecret, secretHash, writeInvitation } from "#shared/wire/invitation.ts";
import { readNamedFile } from "../terminal/named-file.ts";
import { shortName } from "../terminal/output.ts";
import { readDuration } from "../terminal/quantity.ts";
import { type AtDesk, allPages, type Desk, type DeskOptions, withDeskOptions } from "./desk.ts";

const KINDS = ["person", "node", "service"] as const;
const ROLES = ["researcher", "pi", "administrator", "agent"] as const;

/** `invitation` and `enrolment`: how people, nodes and services come in. */
export function addNewcomers(parent: Command, atDesk: AtDesk): void {
  const invitation = parent.command("invitation").summary("leave to enrol, for whoever is handed it");
  addInvitation(invitation, atDesk);
  addInvitationList(invitation, atDesk);
  addOpenInvitation(invitation, atDesk);
  const enrolment = parent.command("enrolment").summary("who asked to be certified and known here");
  addEnrolmentList(enrolment, atDesk);
  addApproval(enrolment, atDesk);
  addRefusal(enrolment, atDesk);
}

type InvitationOptions = DeskOptions & {
  readonly kind: (typeof KINDS)[number];
  readonly role?: (typeof ROLES)[number];
  readonly name?: string;
  readonly site?: string;
  readonly address?: string[];
  readonly approve?: true;
  readonly uses?: number;
  readonly valid?: string;
};

function addInvitation(invitation: Command, atDesk: AtDesk): void {
  withDeskOptions(invitation.command("create"))
    .description(
      "print an invitation: one word, to be handed to whoever is to join with it, and to nobody else",
    )
    .addOption(new Option("--kind <kind>", "whom it is for").choices(KINDS).default("person"))
    .addOption(new Option("--role <role>", "of a person (default: researcher) or service").choices(ROLES))
    .option("--name <name>", "what whoever brings it is called here")
    .option("--site <site>", "where it belongs")
    .option("--address <address...>", "of a node or service: what its certificate names")
    .option("--approve", "approve whoever brings it, without looking")
    .option("--uses <number>", "how many may bring it (default: 1)", count)
    .option("--valid <duration>", "until when (default: 7d)")
    .action(({ address: addresses, approve: approves, valid, ...options }: InvitationOptions) =>
      atDesk(options, async ({ api, once, place, write }) => {
        const { kind, role, name, site, uses } = options;
        const secret = newInvitationSecret();
        const authorities = await believedHere(place);
        const { url } = await api.addinvitation({
          ...{ kind, role, name, site, addresses, approves, uses, ...once },
          valid_seconds: valid === undefined ? undefined : readDuration(valid),
          secret_sha256: secretHash(secret),
        });
        await write(writeInvitation({ url, authorities, secret }));
      }),
    );
}

function addOpenInvitation(invitation: Command, atDesk: AtDesk): void {
  withDeskOptions(invitation.command("public"))
    .description("print what anybody may be told: who joins with it waits for an administrator")
    .action((options: DeskOptions) =>
      atDesk(options, async ({ place, write }) => {
        await write(writeInvitation({ url: place.url, authorities: await believedHere(place) }));
      }),
    );
}

/**
 * The keys of the authorities that whoever invites believes: newcomers are to believe these, and no other that an agent
 * names to them.
 */
async function believedHere({ authority }: Desk["place"]): Promise<KeyName[]> {
  return new Trust(await readFile(authority, "utf8")).keys.map(({ name }) => name);
}

function addInvitationList(invitation: Command, atDesk: AtDesk): void {
  withDeskOptions(invitation.command("list").description("list the invitations")).action(
    (options: DeskOptions) =>
      atDesk(options, async ({ api, print }) => {
        const rows = await allPages(
          (after?: string) => api.listinvitations({ after }),
          (row) => row.id,
        );
        await print({
          rows: rows.toSorted((a, b) => (a.created < b.created ? -1 : 1)),
          columns: [
            { header: "INVITATION", value: (row) => shortName(row.id) },
            { header: "STATE", value: (row) => row.state },
            { header: "FOR", value: (row) => row.kind },
            { header: "ROLE", value: (row) => row.role ?? "" },
            { header: "NAME", value: (row) => row.name ?? "" },
            { header: "SITE", value: (row) => row.site ?? "" },
            { header: "ADDRESSES", value: (row) => row.addresses.join(" ") },
            { header: "APPROVES", value: (row) => (row.approves ? "yes" : "") },
            { header: "USED", value: (row) => `${row.used} of ${row.uses}` },
            { header: "UNTIL", value: (row) => row.validto_time },
            { header: "BY", value: (row) => shortName(row.by), wide: true },
          ],
          name: (row) => row.id,
          member: (row) => row,
        });
      }),
  );
  withDeskOptions(invitation.command("withdraw").argument("<invitation>", "as list shows it"))
    .description("make it worthless from now on")
    .action((which: string, options: DeskOptions) =>
      atDesk(options, async ({ api, once }) => {
        const all = await allPages(
          (after?: string) => api.listinvitations({ after }),
          (row) => row.id,
        );
        await api.withdrawinvitation({ id: oneOf(all, which, "invitation"), ...once });
      }),
    );
}

type ListOptions = DeskOptions & { readonly all?: true };

function addEnrolmentList(enrolment: Command, atDesk: AtDesk): void {
  withDeskOptions(enrolment.command("list"))
    .description("list who waits; what they say of themselves nobody has verified")
    .option("--all", "also who was approved or refused")
    .action((options: ListOptions) =>
      atDesk(options, async ({ api, print }) => {
        const rows = await enrolments(api, options.all ? undefined : "waiting");
        await print({
          rows,
          columns: [
            { header: "ENROLMENT", value: (row) => shortName(row.id) },
            { header: "STATE", value: (row) => row.state },
            { header: "WHAT", value: (row) => row.kind },
            { header: "SAYS IT IS", value: (row) => row.name ?? "" },
            { header: "SAYS IT IS AT", value: (row) => row.address ?? "" },
            { header: "KEY", value: (row) => shortName(row.key) },
            { header: "INVITED", value: (row) => (row.invitation === null ? "" : shortName(row.invitation)) },
            { header: "FROM", value: (row) => row.from },
            { header: "ASKED", value: (row) => row.asked },
            { header: "NOTE", value: (row) => row.note ?? "" },
            { header: "REASON", value: (row) => row.reason ?? "", wide: true },
          ],
          name: (row) => row.id,
          member: (row) => row,
        });
      }),
    );
  withDeskOptions(enrolment.command("request").argument("<enrolment>", "as list shows it"))
    .description("print its certificate request, for the authority's operator to certify by hand")
    .action((which: string, options: DeskOptions) =>
      atDesk(options, async ({ api, write }) => {
        const all = await enrolments(api);
        const id = oneOf(all, which, "enrolment");
        await write(all.find((row) => row.id === id)!.csr.trim());
      }),
    );
}

type ApprovalOptions = DeskOptions & {
  readonly role?: (typeof ROLES)[number];
  readonly name?: string;
  readonly site?: string;
  readonly address?: string[];
  readonly days?: number;
  readonly certificate?: string;
  readonly country?: string;
  readonly region?: string;
  readonly tag?: string[];
};

function addApproval(enrolment: Command, atDesk: AtDesk): void {
  withDeskOptions(enrolment.command("approve").argument("<enrolment>", "as list shows it"))
    .description("have it certified, and know it from then on; prints the name of its key")
    .addOption(new Option("--role <role>", "of a person or service").choices(ROLES))
    .option("--name <name>", "what it is called here")
    .option("--site <site>", "where it belongs")
    .option("--address <address...>", "of a node or service: what its certificate names")
    .option("--days <number>", "how long its certificate is valid", count)
    .option("--certificate <file>", "issued by hand, where no authority serves")
    .option("--country <code>", "of a node: two lower-case letters")
    .option("--region <name>", "of a node, as descriptions ask for it")
    .option("--tag <name=value...>", "of a node: what else descriptions may ask for")
    .action((which: string, options: ApprovalOptions) =>
      atDesk(options, async ({ api, once, write }) => {
        const { role, name, site, address: addresses, days, country, region, tag: tags } = options;
        const file = options.certificate;
        const certificate = file && (await readNamedFile(file)).toString("utf8");
        const id = oneOf(await enrolments(api, "waiting"), which, "waiting enrolment");
        const where = { country, region, tags };
        await write(
          await api.approveenrolment({
            ...{ id, role, name, site, addresses, days, certificate, ...where, ...once },
          }),
        );
      }),
    );
}

function addRefusal(enrolment: Command, atDesk: AtDesk): void {
  withDeskOptions(enrolment.command("refuse").argument("<enrolment>", "as list shows it"))
    .description("refuse it; whoever asked is told the reason")
    .option("--reason <text>", "why")
    .action((which: string, options: DeskOptions & { readonly reason?: string }) =>
      atDesk(options, async ({ api, once }) => {
        const id = oneOf(await enrolments(api, "waiting"), which, "waiting enrolment");
        await api.refuseenrolment({ id, reason: options.reason, ...once });
      }),
    );
}

/** Oldest first. */
async function enrolments(api: Desk["api"], state?: "waiting") {
  const rows = await allPages(
    (after?: string) => api.listenrolments({ state, after }),
    (row) => row.id,
  );
  return rows.toSorted((a, b) => (a.asked < b.asked ? -1 : 1));
}

/** By its beginning, as lists show it, or by the name it gave itself if one alone did. */
function oneOf(
  rows: readonly { readonly id: string; readonly name: string | null }[],
  which: string,
  what: string,
): string {
  const found = rows.filter(({ id, name }) => name === which || (which.length >= 6 && id.startsWith(which)));
  const [only, ...others] = found;
  if (!only) throw new OperatorError(`there is no ${what} "${which}"`);
  if (others.length > 0)
    throw new OperatorError(`${found.length} are called "${which}"; say which, as list shows it`);
  return only.id;
}

function count(text: string): number {
  if (/^[1-9][0-9]{0,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Give a whole number above 0.");
}
