import { type Command, Option } from "commander";
import { readNamedFile } from "../terminal/named-file.ts";
import { shortName } from "../terminal/output.ts";
import { type AtDesk, allPages, type DeskOptions, withDeskOptions } from "./desk.ts";

const ROLES = ["researcher", "pi", "administrator", "agent"] as const;
type Role = (typeof ROLES)[number];

/** `site` and `principal`: who is known. */
export function addPeople(parent: Command, atDesk: AtDesk): void {
  addSites(parent.command("site").summary("sites that nodes and people belong to"), atDesk);
  const principal = parent.command("principal").summary("people and services that may call");
  addEnrolment(principal, atDesk);
  addStanding(principal, atDesk);
}

function addSites(site: Command, atDesk: AtDesk): void {
  withDeskOptions(site.command("add").argument("<name>").description("add a site")).action(
    (name: string, options: DeskOptions) =>
      atDesk(options, async ({ api, once }) => void (await api.addsite({ site: name, ...once }))),
  );
  withDeskOptions(site.command("list").description("list the sites")).action((options: DeskOptions) =>
    atDesk(options, async ({ api, print }) => {
      const rows = await allPages(
        (after?: string) => api.listsites({ after }),
        (row) => row.site,
      );
      await print({
        rows,
        columns: [
          { header: "SITE", value: (row) => row.site },
          { header: "NODES", value: (row) => String(row.nodes) },
          { header: "PRINCIPALS", value: (row) => String(row.principals) },
        ],
        name: (row) => row.site,
        member: (row) => row,
      });
    }),
  );
}

type EnrolmentOptions = DeskOptions & {
  readonly role: Role;
  readonly certificate: string;
  readonly site?: string;
};

function addEnrolment(principal: Command, atDesk: AtDesk): void {
  withDeskOptions(principal.command("add").argument("<name>", "what it is called at the agent"))
    .description("add a principal, with the privileges of its role; prints the name of its key")
    .addOption(new Option("--role <role>", "what it is").choices(ROLES).makeOptionMandatory())
    .requiredOption("--certificate <file>", "its certificate, for the key in it")
    .option("--site <site>", "where it belongs")
    .action((name: string, { role, site, certificate: file, ...options }: EnrolmentOptions) =>
      atDesk(options, async ({ api, once, write }) => {
        const certificate = (await readNamedFile(file)).toString("utf8");
        await write(await api.addprincipal({ name, role, certificate, site, ...once }));
      }),
    );
  withDeskOptions(principal.command("list").description("list everybody the agent knows")).action(
    (options: DeskOptions) =>
      atDesk(options, async ({ api, print }) => {
        const rows = await allPages(
          (after?: string) => api.listprincipals({ after }),
          (row) => row.name,
        );
        await print({
          rows,
          columns: [
            { header: "NAME", value: (row) => row.name },
            { header: "ROLE", value: (row) => row.role },
            { header: "SITE", value: (row) => row.site ?? "" },
            { header: "KEY", value: (row) => shortName(row.principal) },
            { header: "STATUS", value: (row) => statusOf(row) },
          ],
          name: (row) => row.name,
          member: (row) => row,
        });
      }),
  );
}

function statusOf({
  suspended,
  revoked,
}: {
  readonly suspended: boolean;
  readonly revoked: boolean;
}): string {
  if (revoked) return "revoked";
  return suspended ? "suspended" : "active";
}

const CALLED = "its name at the agent, or that of its key";

function addStanding(principal: Command, atDesk: AtDesk): void {
  withDeskOptions(principal.command("role").argument("<name>", CALLED).argument("<role>", ROLES.join(", ")))
    .description("change what it is; its privileges stay as they are")
    .action((name: string, role: Role, options: DeskOptions) =>
      atDesk(options, async ({ api, once }) => void (await api.setrole({ principal: name, role, ...once }))),
    );
  withDeskOptions(principal.command("suspend").argument("<name>", CALLED))
    .description("give it nothing new until it is resumed")
    .action((name: string, options: DeskOptions) =>
      atDesk(options, async ({ api, once }) => void (await api.suspend({ principal: name, ...once }))),
    );
  withDeskOptions(principal.command("resume").argument("<name>", CALLED))
    .description("end a suspension")
    .action((name: string, options: DeskOptions) =>
      atDesk(options, async ({ api, once }) => void (await api.resume({ principal: name, ...once }))),
    );
}
