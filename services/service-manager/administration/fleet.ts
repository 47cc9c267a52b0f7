import { type Command, InvalidArgumentError } from "commander";
import { UsageError } from "../terminal/exit-code.ts";
import { readNamedFile } from "../terminal/named-file.ts";
import { shortName } from "../terminal/output.ts";
import { type AtDesk, allPages, type DeskOptions, withDeskOptions } from "./desk.ts";
import { addMembers } from "./members.ts";

/** `node` and `slice`: what is there, and whose. */
export function addFleet(parent: Command, atDesk: AtDesk): void {
  const node = parent.command("node").summary("nodes this agent accepts tickets from");
  addAcceptance(node, atDesk);
  addNodeList(node, atDesk);
  addStanding(node, atDesk);
  addOverbooking(node, atDesk);
  addSlices(parent.command("slice").summary("whose the names of slices are"), atDesk);
}

type AcceptanceOptions = DeskOptions & {
  readonly name?: string;
  readonly certificate: string;
  readonly ip: string;
  readonly site?: string;
  readonly latitude?: string;
  readonly longitude?: string;
  readonly country?: string;
  readonly region?: string;
  readonly tag?: string[];
};

function addAcceptance(node: Command, atDesk: AtDesk): void {
  withDeskOptions(node.command("accept"))
    .description("take the tickets a node signs for resources of its own; prints the name of its key")
    .requiredOption("--ip <address>", "its address, which no other node has")
    .requiredOption("--certificate <file>", "its certificate, for the key in it")
    .option("--name <name>", "what it is called here (default: its address)")
    .option("--site <site>", "where it belongs")
    .option("--latitude <degrees>", "where it stands")
    .option("--longitude <degrees>", "where it stands")
    .option("--country <code>", "two lower-case letters")
    .option("--region <name>", "as descriptions ask for it, such as eu")
    .option("--tag <name=value...>", "what else descriptions may ask for")
    .action((options: AcceptanceOptions) =>
      atDesk(options, async ({ api, once, write }) => {
        const { name, ip, site, country, region, tag: tags } = options;
        const certificate = (await readNamedFile(options.certificate)).toString("utf8");
        const place = { latitude: degrees(options.latitude), longitude: degrees(options.longitude) };
        const accepted = { name, ip, site, country, region, tags, certificate, ...place };
        await write(await api.acceptnode({ ...accepted, ...once }));
      }),
    );
}

function degrees(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^-?\d{1,3}(\.\d{1,10})?$/.test(text)) return Number(text);
  throw new UsageError("give degrees, such as 40.35 or -74.66");
}

function addNodeList(node: Command, atDesk: AtDesk): void {
  withDeskOptions(node.command("list").description("list the nodes that were accepted")).action(
    (options: DeskOptions) =>
      atDesk(options, async ({ api, print }) => {
        const rows = await allPages(
          (after?: string) => api.listnodes({ after }),
          (row) => row.name,
        );
        await print({
          rows,
          columns: [
            { header: "NAME", value: (row) => row.name },
            { header: "ADDRESS", value: (row) => row.ip },
            { header: "SITE", value: (row) => row.site ?? "" },
            { header: "KEY", value: (row) => shortName(row.node) },
            { header: "STATE", value: (row) => row.state },
            { header: "OVERBOOKING", value: ({ overbooking }) => String(overbooking ?? ""), wide: true },
            { header: "HEARD", value: (row) => row.heard ?? "never" },
          ],
          name: (row) => row.name,
          member: (row) => row,
        });
      }),
  );
}

function addStanding(node: Command, atDesk: AtDesk): void {
  for (const [name, method, description] of [
    ["drain", "drainnode", "issue nothing new for it; what there is goes on"],
    ["resume", "resumenode", "end draining, retirement or suspension"],
    ["retire", "retirenode", "let it go for good, once nothing counts there"],
  ] as const) {
    withDeskOptions(node.command(name).argument("<node>", "its name, its address, or that of its key"))
      .description(description)
      .action((which: string, options: DeskOptions) =>
        atDesk(options, async ({ api, once }) => void (await api[method]({ node: which, ...once }))),
      );
  }
}

function addOverbooking(node: Command, atDesk: AtDesk): void {
  withDeskOptions(node.command("overbook").argument("<node>", "its name, its address, or that of its key"))
    .argument("<factor>", "per mille, from 1000 (no more than is held) to 10000; or default", factor)
    .summary("set how much of what is held there is issued")
    .description(
      "Sets how much of what is held on a node is issued, per mille; default is what the agent's configuration says.\n" +
        "What is issued already goes on: where it is more than the factor allows, nothing new is issued until enough has ended.",
    )
    .action((which: string, overbooking: number | "default", options: DeskOptions) =>
      atDesk(options, async ({ api, once }) => {
        const chosen = overbooking === "default" ? {} : { overbooking };
        await api.overbooknode({ node: which, ...chosen, ...once });
      }),
    );
}

function factor(text: string): number | "default" {
  if (text === "default") return text;
  if (/^[1-9][0-9]{3,4}$/.test(text) && Number(text) <= 10_000) return Number(text);
  throw new InvalidArgumentError("Give thousandths from 1000 to 10000, or default.");
}

function addSlices(slice: Command, atDesk: AtDesk): void {
  withDeskOptions(slice.command("list").description("list the names of slices and whose they are")).action(
    (options: DeskOptions) =>
      atDesk(options, async ({ api, print }) => {
        const rows = await allPages(
          (after?: string) => api.listslices({ after }),
          (row) => row.slice,
        );
        await print({
          rows,
          columns: [
            { header: "SLICE", value: (row) => row.slice },
            { header: "OWNER", value: (row) => row.name },
            { header: "KEY", value: (row) => shortName(row.owner) },
            { header: "NODES", value: (row) => String(row.nodes) },
            { header: "SINCE", value: (row) => row.since },
          ],
          name: (row) => row.slice,
          member: (row) => row,
        });
      }),
  );
  addMembers(slice, atDesk);
  withDeskOptions(slice.command("transfer").argument("<slice>").argument("<principal>", "its new owner"))
    .description("make a name another principal's, who alone gets tickets for it from then on")
    .action((name: string, principal: string, options: DeskOptions) =>
      atDesk(options, async ({ api, once }) => {
        await api.transferslice({ slice: name, principal, ...once });
      }),
    );
}
