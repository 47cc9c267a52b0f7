import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import type { Capability } from "#shared/model/capability.ts";
import type { ServiceTerminal } from "#shared/runtime/command-line.ts";
import { SLICE_TYPES, type SliceType } from "../registry/privilege.ts";
import type { NewPrincipal } from "../registry/registry.ts";
import { collect, collectCapability, degrees, positive } from "./arguments.ts";
import { type BooksOptions, onBooks, type WithBooks } from "./books.ts";
import { addStanding } from "./standing.ts";

const PERSON_ROLES = ["researcher", "pi", "administrator", "agent"] as const;

/** Commands by which an administrator decides who is known and what each may have. */
export function addRegistryCommands(parent: Command, withBooks: WithBooks, terminal: ServiceTerminal): void {
  addSite(parent.command("site").description("sites that nodes and people belong to"), withBooks);
  addPrincipal(
    parent.command("principal").description("people and services that may call"),
    withBooks,
    terminal,
  );
  addNode(parent.command("node").description("nodes this agent accepts tickets from"), withBooks, terminal);
  addPrivilege(parent.command("privilege").description("what principals may ask for"), withBooks, terminal);
}

function addSite(site: Command, withBooks: WithBooks): void {
  onBooks(site.command("add").argument("<name>").description("add a site")).action(
    (name: string, options: BooksOptions) => withBooks(options, ({ registry }) => registry.addSite(name)),
  );
}

function certificateOption(): Option {
  return new Option("--certificate <file>", "its certificate, for the key in it").makeOptionMandatory();
}

type PrincipalOptions = BooksOptions & {
  readonly name: string;
  readonly role: NewPrincipal["role"];
  readonly certificate: string;
  readonly site?: string;
};

function addPrincipal(principal: Command, withBooks: WithBooks, { out }: ServiceTerminal): void {
  onBooks(principal.command("add").description("add a principal, with the privileges of its role"))
    .requiredOption("--name <name>", "what it is called here")
    .addOption(new Option("--role <role>", "what it is").choices(PERSON_ROLES).makeOptionMandatory())
    .addOption(certificateOption())
    .option("--site <site>", "where it belongs")
    .action((options: PrincipalOptions) =>
      withBooks(options, async ({ registry }) => {
        const certificate = await readFile(options.certificate, "utf8");
        out(`${await registry.addPrincipal({ ...options, label: options.name, certificate })}\n`);
      }),
    );
  addSuspending(principal, withBooks);
  addResuming(principal, withBooks);
}

type NodeOptions = BooksOptions & {
  readonly name?: string;
  readonly certificate: string;
  readonly ip: string;
  readonly site?: string;
  readonly latitude?: number;
  readonly longitude?: number;
  readonly country?: string;
  readonly region?: string;
  readonly tag: readonly string[];
};

function addNode(node: Command, withBooks: WithBooks, { out }: ServiceTerminal): void {
  onBooks(
    node.command("add").description("accept a node: take the tickets it signs for resources of its own"),
  )
    .option("--name <name>", "what it is called here (default: its address)")
    .addOption(certificateOption())
    .requiredOption("--ip <address>", "its address, which no other node has")
    .option("--site <site>", "where it belongs")
    .option("--latitude <degrees>", "where it stands", degrees)
    .option("--longitude <degrees>", "where it stands", degrees)
    .option("--country <code>", "two lower-case letters")
    .option("--region <name>", "as descriptions ask for it, such as eu")
    .option("--tag <name=value>", "what else descriptions may ask for (repeatable)", collect, [])
    .action((options: NodeOptions) =>
      withBooks(options, async ({ registry }) => {
        const certificate = await readFile(options.certificate, "utf8");
        const label = options.name ?? options.ip;
        out(`${await registry.addNode({ ...options, label, certificate, tags: options.tag })}\n`);
      }),
    );
  addSuspending(node, withBooks);
  addStanding(node, withBooks);
}

/** The same for nodes and people. */
function addSuspending(parent: Command, withBooks: WithBooks): void {
  onBooks(parent.command("suspend").argument("<name>", "its name here, or that of its key"))
    .description("give it nothing new until it is resumed")
    .action((name: string, options: BooksOptions) =>
      withBooks(options, ({ registry }) => registry.suspend(name, true)),
    );
}

function addResuming(principal: Command, withBooks: WithBooks): void {
  onBooks(principal.command("resume").argument("<name>", "its name here, or that of its key"))
    .description("end a suspension")
    .action((name: string, options: BooksOptions) =>
      withBooks(options, ({ registry }) => registry.suspend(name, false)),
    );
}

type PrivilegeOptions = BooksOptions & {
  readonly type: SliceType;
  readonly nodes: number;
  readonly leaseSeconds: number;
  readonly renewableSeconds?: number;
  readonly capability: readonly Capability[];
};

function addPrivilege(privilege: Command, withBooks: WithBooks, { out }: ServiceTerminal): void {
  onBooks(privilege.command("grant").argument("<principal>", "its name here, or that of its key"))
    .description("allow a principal more")
    .addOption(new Option("--type <type>", "of its slices").choices(SLICE_TYPES).default("conventional"))
    .requiredOption("--nodes <number>", "nodes one slice may be on", positive)
    .requiredOption("--lease-seconds <number>", "longest lease", positive)
    .option(
      "--renewable-seconds <number>",
      "longest renewal, from the start (default: twice the lease)",
      positive,
    )
    .option("--capability <name>", "of administrative slices (repeatable)", collectCapability, [])
    .action((principal: string, options: PrivilegeOptions) =>
      withBooks(options, async ({ registry }) => {
        const id = await registry.grant(principal, {
          sliceType: options.type,
          maxNodes: options.nodes,
          maxLeaseSeconds: options.leaseSeconds,
          maxRenewableSeconds: options.renewableSeconds ?? 2 * options.leaseSeconds,
          capabilities: options.capability,
        });
        out(`${id}\n`);
      }),
    );
  onBooks(
    privilege.command("withdraw").argument("<id>", "as list shows it", positive).description("take it back"),
  ).action((id: number, options: BooksOptions) =>
    withBooks(options, ({ registry }) => registry.withdraw(id)),
  );
}
