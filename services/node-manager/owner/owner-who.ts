import { type Command, InvalidArgumentError } from "commander";
import { OperatorError } from "#shared/model/errors.ts";
import { parseInstant } from "#shared/model/time.ts";
import type { ServiceTerminal } from "#shared/runtime/command-line.ts";
import { jsonText, listingText } from "#shared/runtime/listing.ts";
import type { Untold } from "../flows/untold.ts";
import type { FlowAnswer, FlowStruct } from "./owner-api.ts";
import { type AtNode, type OwnerOptions, ownerSubcommand, withOutput } from "./owner-options.ts";

type WhoOptions = OwnerOptions & {
  readonly output: string;
  readonly within: number;
  readonly remote?: string;
};

const WHY_UNTOLD: Readonly<Record<Untold["because"], string>> = {
  administrative:
    "is administrative: what it sends leaves as the node's own, and is recorded of nobody; it may have been this",
  simulated: "is simulated: nothing runs in it, so this was not it",
  unconnected: "is not known to be in the network now: it does not run, or no node manager or engine answers",
};

/** `who`: for whoever got a complaint that names a port and a time. */
export function addWho(parent: Command, atNode: AtNode, { out, err, clock }: ServiceTerminal): void {
  withOutput(
    ownerSubcommand(
      parent,
      "who",
      "which slice had a flow by this port of the node's address, which is what complaints name",
    ),
  )
    .argument("<protocol>", "tcp or udp", protocolOf)
    .argument("<port>", "on the node's address", wholeNumber)
    .argument("[time]", 'in UTC, as "2030-01-31 12:00:00" (default: now)', instantText)
    .option("--within <seconds>", "how far clocks may differ", wholeNumber, 60)
    .option("--remote <address>", "only flows with this address at the other end")
    .action((protocol: "tcp" | "udp", port: number, time: string | undefined, options: WhoOptions) =>
      atNode(options, async (api) => {
        const { within, remote, output } = options;
        if (time !== undefined && parseInstant(time) > clock.now() + within)
          throw new OperatorError(`${time} is still to come; times are in UTC`);
        const answer = await api.who({ protocol, port, time, within_seconds: within, remote });
        out(output === "json" ? jsonText([answer]) : flowTable(output, answer.flows));
        for (const line of remarks(answer, `${protocol} ${port}`)) err(`${line}\n`);
      }),
    );
}

/** What whoever asked of this port has to know beside the flows themselves. */
function remarks({ flows, counted, leased, untold, watched }: FlowAnswer, port: string): string[] {
  return [
    ...counted.map(
      ({ slice, count, minute }) =>
        `${slice} began ${count} flows more in the minute of ${minute} than are recorded one by one`,
    ),
    ...leased.map((slice) => `${slice} has ${port} by its lease now`),
    ...untold.map(({ slice, because }) => `${slice} ${WHY_UNTOLD[because]}`),
    ...(flows.length === 0 ? [`no flow by ${port} is recorded of any slice then`] : []),
    ...(watched ? [] : ["flows were not recorded all that time: there may have been others"]),
  ];
}

function flowTable(output: string, flows: readonly FlowStruct[]): string {
  return listingText(output, flows, [
    { header: "SLICE", value: ({ slice }) => slice },
    { header: "PRINCIPAL", value: ({ principal }) => principal.slice(0, 12), narrow: true },
    { header: "PRINCIPAL", value: ({ principal }) => principal, wide: true },
    { header: "DID", value: ({ sent }) => (sent ? "sent" : "received") },
    { header: "REMOTE", value: ({ remote }) => remote },
    { header: "PORT", value: ({ remote_port }) => String(remote_port) },
    { header: "BEGAN (UTC)", value: ({ began }) => began },
    { header: "ENDED (UTC)", value: ({ ended }) => ended ?? "" },
    { header: "LEASE", value: ({ lease }) => lease, wide: true },
  ]);
}

/** As mail and logs write it, with a T or a Z, too. */
function instantText(text: string): string {
  return text.replace("T", " ").replace(/Z$/, "");
}

function protocolOf(text: string): "tcp" | "udp" {
  if (text === "tcp" || text === "udp") return text;
  throw new InvalidArgumentError("The protocol is tcp or udp.");
}

function wholeNumber(text: string): number {
  if (/^(0|[1-9]\d{0,5})$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Give a whole number.");
}
