import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError } from "commander";
import { parseCertificate } from "#shared/identity/certificate.ts";
import { publicKeyOf } from "#shared/identity/key.ts";
import type { ServiceTerminal } from "#shared/runtime/command-line.ts";
import { listingText } from "#shared/runtime/listing.ts";
import { type ChainHead, formatHead, readSignedHead, verifyChain } from "#shared/wire/audit-chain.ts";
import { headOption } from "#shared/wire/audit-head-option.ts";
import { loadNodeManagerConfig } from "../config.ts";
import { MOST_ROWS } from "./owner-api.ts";
import { type AtNode, type OwnerOptions, ownerSubcommand, withOutput } from "./owner-options.ts";

type ListOptions = OwnerOptions & { readonly output: string; readonly count: number };
type VerificationOptions = OwnerOptions & { readonly head?: ChainHead };

/** `audit`: what was done and refused on this node, and whether somebody has changed what is told of it. */
export function addAudit(parent: Command, atNode: AtNode, { out, env }: ServiceTerminal): void {
  const audit = parent.command("audit").description("what was done and refused here, and by whom");
  withOutput(ownerSubcommand(audit, "list", "show what was done and refused, the latest last"))
    .option("--count <number>", `how many at most, up to ${MOST_ROWS}`, countOf, 50)
    .action((options: ListOptions) =>
      atNode(options, async (api) => {
        out(
          listingText(options.output, await api.latestaudit({ limit: options.count }), [
            { header: "POSITION", value: ({ position }) => (position === 0 ? "" : String(position)) },
            { header: "TIME (UTC)", value: ({ at }) => at.slice(0, "2030-01-01 00:00:00".length) },
            { header: "WHO", value: ({ who }) => who.slice(0, 12) },
            { header: "WHAT", value: ({ method }) => method },
            { header: "OUTCOME", value: ({ outcome }) => outcome },
            { header: "DETAIL", value: ({ detail }) => detail },
            { header: "HASH", value: ({ hash }) => hash, wide: true },
          ]),
        );
      }),
    );
  ownerSubcommand(
    audit,
    "verify",
    "read all of what was done, make sure that no row was changed, moved or taken out, and print its head, POSITION:HASH, to be noted elsewhere",
  )
    .addOption(headOption("slicelab node audit verify"))
    .action((options: VerificationOptions) =>
      atNode(options, async (api) => {
        const { identity } = loadNodeManagerConfig({ file: options.config, env });
        const certificate = parseCertificate(await readFile(identity.cert, "utf8"));
        const rows = (after: number) => api.getaudit({ after });
        const heads = async (after: number) => (await api.getauditheads({ after })).map(readSignedHead);
        const signer = publicKeyOf(certificate.publicKey);
        const head = await verifyChain({ heads, rows }, () => signer, options.head);
        out(`${formatHead(head)}\n`);
      }),
    );
}

function countOf(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text) && Number(text) <= MOST_ROWS) return Number(text);
  throw new InvalidArgumentError(`Give a number from 1 to ${MOST_ROWS}.`);
}
