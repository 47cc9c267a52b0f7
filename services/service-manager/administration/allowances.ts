import { type Command, Option } from "commander";
import { CAPABILITIES, type Capability } from "#shared/model/capability.ts";
import { formatInstant } from "#shared/model/time.ts";
import { UsageError } from "../terminal/exit-code.ts";
import {
  formatDuration,
  readCores,
  readDuration,
  readKilobits,
  readMebibytes,
  readMoment,
} from "../terminal/quantity.ts";
import { type AtDesk, allPages, type DeskOptions, withDeskOptions } from "./desk.ts";

/** `privilege` and `quota`: what each may have. */
export function addAllowances(parent: Command, atDesk: AtDesk): void {
  addPrivileges(parent.command("privilege").summary("what principals may ask for"), atDesk);
  addQuotas(parent.command("quota").summary("the most that principals and sites have at a time"), atDesk);
}

type GrantOptions = DeskOptions & {
  readonly type: "conventional" | "administrative";
  readonly nodes: string;
  readonly lease: string;
  readonly renewable?: string;
  readonly until?: string;
  readonly capability?: Capability[];
};

function addPrivileges(privilege: Command, atDesk: AtDesk): void {
  withDeskOptions(privilege.command("grant").argument("<principal>", "its name, or that of its key"))
    .description("allow a principal more; prints the number of the privilege")
    .addOption(
      new Option("--type <type>", "of its slices")
        .choices(["conventional", "administrative"])
        .default("conventional"),
    )
    .requiredOption("--nodes <number>", "nodes one slice may be on")
    .requiredOption("--lease <duration>", "longest lease, such as 14d")
    .option("--renewable <duration>", "longest renewal, from the start (default: twice the lease)")
    .option("--until <time>", "when it ends by itself")
    .addOption(new Option("--capability <name...>", "of administrative slices").choices([...CAPABILITIES]))
    .action((principal: string, options: GrantOptions) =>
      atDesk(options, async ({ api, once, write }) => {
        const id = await api.grantprivilege({
          ...{ principal, type: options.type, nodes: readCount("nodes", options.nodes), ...once },
          lease_seconds: readDuration(options.lease),
          renewable_seconds: options.renewable === undefined ? undefined : readDuration(options.renewable),
          capabilities: options.capability,
          validto_time: options.until === undefined ? undefined : formatInstant(readMoment(options.until)),
        });
        await write(String(id));
      }),
    );
  withDeskOptions(privilege.command("withdraw").argument("<number>", "as list shows it"))
    .description("take it back: nothing more is issued under it")
    .action((id: string, options: DeskOptions) =>
      atDesk(options, async ({ api, once }) => {
        await api.withdrawprivilege({ id: readCount("number", id), ...once });
      }),
    );
  withDeskOptions(privilege.command("list").argument("[principal]", "only its own"))
    .description("list the privileges")
    .action((principal: string | undefined, options: DeskOptions) =>
      atDesk(options, async ({ api, print }) => {
        const rows = await allPages(
          (after?: number) => api.listprivileges({ principal, after }),
          (row) => row.id,
        );
        await print({
          rows,
          columns: [
            { header: "NUMBER", value: (row) => String(row.id) },
            { header: "PRINCIPAL", value: (row) => row.principal },
            { header: "TYPE", value: (row) => row.type },
            { header: "NODES", value: (row) => String(row.nodes) },
            { header: "LEASE", value: (row) => formatDuration(row.lease_seconds) },
            { header: "RENEWABLE", value: (row) => formatDuration(row.renewable_seconds) },
            { header: "UNTIL", value: (row) => row.validto_time ?? "-" },
            { header: "CAPABILITIES", value: (row) => row.capabilities.join(" "), wide: true },
          ],
          name: (row) => String(row.id),
          member: (row) => row,
        });
      }),
    );
}

type WhoseOptions = DeskOptions & { readonly principal?: string; readonly site?: string };

type QuotaOptions = WhoseOptions &
  Partial<Record<"slices" | "nodes" | "lease" | "slivers" | "cpu" | "memory" | "disk" | "egress", string>>;

function withWhose(command: Command): Command {
  return withDeskOptions(command)
    .option("--principal <name>", "whose it is")
    .option("--site <site>", "whose it is: all of this site together");
}

function addQuotas(quota: Command, atDesk: AtDesk): void {
  withWhose(quota.command("set").description("limit what a principal or a site has; replaces its quota"))
    .option("--slices <number>", "slices at a time")
    .option("--nodes <number>", "nodes of one slice")
    .option("--lease <duration>", "longest lease")
    .option("--slivers <number>", "slivers in all")
    .option("--cpu <cores>", "guaranteed cores in all, such as 2.5")
    .option("--memory <size>", "memory in all, such as 4GiB")
    .option("--disk <size>", "disk in all")
    .option("--egress <rate>", "guaranteed egress in all, such as 10Mbit")
    .action((options: QuotaOptions) =>
      atDesk(options, async ({ api, once }) => {
        await api.setquota({ ...whoseOf(options), ...limitsOf(options), ...once });
      }),
    );
  withWhose(quota.command("remove").description("end a quota")).action((options: WhoseOptions) =>
    atDesk(options, async ({ api, once }) => {
      await api.removequota({ ...whoseOf(options), ...once });
    }),
  );
  withDeskOptions(quota.command("list").description("list the quotas")).action((options: DeskOptions) =>
    atDesk(options, async ({ api, print }) => {
      const rows = await api.listquotas({});
      const number = (amount: number | undefined) => (amount === undefined ? "" : String(amount));
      await print({
        rows,
        columns: [
          { header: "OF", value: (row) => row.principal ?? `site ${row.site}` },
          { header: "SLICES", value: (row) => number(row.slices) },
          { header: "NODES", value: (row) => number(row.nodes) },
          {
            header: "LEASE",
            value: (row) => (row.lease_seconds === undefined ? "" : formatDuration(row.lease_seconds)),
          },
          { header: "SLIVERS", value: (row) => number(row.slivers) },
          { header: "CPU", value: (row) => number(row.cpu_millis && row.cpu_millis / 1000) },
          { header: "MEMORY MiB", value: (row) => number(row.memory_mib) },
          { header: "DISK MiB", value: (row) => number(row.disk_mib) },
          { header: "EGRESS kbit/s", value: (row) => number(row.egress_kbps) },
        ],
        name: (row) => row.principal ?? row.site ?? "",
        member: (row) => row,
      });
    }),
  );
}

function whoseOf({ principal, site }: WhoseOptions): { principal?: string; site?: string } {
  if ((principal === undefined) === (site === undefined))
    throw new UsageError("a quota is a principal's or a site's; give --principal or --site");
  return { principal, site };
}

function limitsOf(options: QuotaOptions) {
  const read = <T>(text: string | undefined, how: (text: string) => T) =>
    text === undefined ? undefined : how(text);
  const count = (what: "slices" | "nodes" | "slivers") =>
    read(options[what], (text) => readCount(what, text));
  return {
    ...{ slices: count("slices"), nodes: count("nodes"), slivers: count("slivers") },
    lease_seconds: read(options.lease, readDuration),
    cpu_millis: read(options.cpu, readCores),
    memory_mib: read(options.memory, readMebibytes),
    disk_mib: read(options.disk, readMebibytes),
    egress_kbps: read(options.egress, readKilobits),
  };
}

function readCount(what: string, text: string): number {
  if (/^(0|[1-9][0-9]{0,8})$/.test(text)) return Number(text);
  throw new UsageError(`${what}: give a whole number`);
}
