import type { Command } from "commander";
import { OperatorError } from "#shared/model/errors.ts";
import type { Limits } from "../registry/limits.ts";
import { removeQuota, setQuota, type Whose } from "../registry/quota.ts";
import { amount } from "./arguments.ts";
import { type BooksOptions, onBooks, type WithBooks } from "./books.ts";

type WhoseOptions = BooksOptions & { readonly principal?: string; readonly site?: string };

/** `quota`: the most that a principal, or a site, has at a time. */
export function addQuotaCommands(parent: Command, withBooks: WithBooks): void {
  const quota = parent.command("quota").description("the most that principals and sites have at a time");
  withWhose(quota.command("set").description("limit what a principal or a site has; replaces its quota"))
    .option("--slices <number>", "slices at a time", amount)
    .option("--nodes <number>", "nodes of one slice", amount)
    .option("--lease-seconds <number>", "longest lease", amount)
    .option("--slivers <number>", "slivers in all", amount)
    .option("--cpu-millis <number>", "guaranteed thousandths of a core in all", amount)
    .option("--memory-mib <number>", "memory in all", amount)
    .option("--disk-mib <number>", "disk in all", amount)
    .option("--egress-kbps <number>", "guaranteed egress in all", amount)
    .action(({ config, database, principal, site, ...limits }: WhoseOptions & Limits) =>
      withBooks({ config, database }, ({ office }) => setQuota(office, whoseOf({ principal, site }), limits)),
    );
  withWhose(quota.command("remove").description("end a quota")).action((options: WhoseOptions) =>
    withBooks(options, ({ office }) => removeQuota(office, whoseOf(options))),
  );
}

function withWhose(command: Command): Command {
  return onBooks(command)
    .option("--principal <name>", "whose it is")
    .option("--site <site>", "whose it is: all of this site together");
}

function whoseOf({ principal, site }: Pick<WhoseOptions, "principal" | "site">): Whose {
  if ((principal === undefined) === (site === undefined))
    throw new OperatorError("a quota is a principal's or a site's: give --principal or --site");
  return principal === undefined ? { site: site! } : { principal };
}
