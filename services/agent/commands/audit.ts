import type { Command } from "commander";
import { loadIdentity } from "#shared/identity/identity.ts";
import type { PublicKey } from "#shared/identity/key.ts";
import { OperatorError } from "#shared/model/errors.ts";
import type { ServiceTerminal } from "#shared/runtime/command-line.ts";
import type { Database } from "#shared/runtime/database.ts";
import { listingText, outputOption } from "#shared/runtime/listing.ts";
import { type ChainHead, formatHead, verifyChain } from "#shared/wire/audit-chain.ts";
import { headOption } from "#shared/wire/audit-head-option.ts";
import { loadAgentConfig } from "../config.ts";
import { AuditChain } from "../registry/audit-chain.ts";
import { chainedRows, chainHeads, latestHead } from "../store/audit/chain.ts";
import { positive } from "./arguments.ts";
import { type BooksOptions, onConfig, type WithBooks } from "./books.ts";

const SHOWN = 50;
const PAGE = 1000;

/** The audit with everything in its chain that was written before, and the key that signs its heads. */
type Audit = { readonly database: Database; readonly signer: PublicKey };

type ListOptions = BooksOptions & { readonly count: number; readonly output: string };
type VerificationOptions = BooksOptions & { readonly head?: ChainHead };

/** `audit`: what was done and refused, and whether somebody has changed what is told of it. */
export function addAuditCommands(parent: Command, withBooks: WithBooks, terminal: ServiceTerminal): void {
  const { out, env, clock } = terminal;
  const withAudit = async ({ config: file }: BooksOptions, work: (audit: Audit) => Promise<void>) => {
    const { identity, database: url } = loadAgentConfig(file, env);
    const { key, certificate: cert, authority: ca } = identity;
    const { signingKey } = await loadIdentity({ key, cert, ca });
    await withBooks({ database: url }, async ({ database }) => {
      await new AuditChain(database, clock, signingKey).extend();
      await work({ database, signer: signingKey.public });
    });
  };
  const audit = parent.command("audit").description("what was done and refused, and by whom");
  onConfig(audit.command("list").description("show what was done and refused, the latest last"))
    .addOption(outputOption())
    .option("--count <number>", "how many at most", positive, SHOWN)
    .action((options: ListOptions) =>
      withAudit(options, async ({ database }) => {
        const end = (await latestHead(database))?.position ?? 0;
        const after = Math.max(0, end - options.count);
        const rows = await chainedRows(database, { after, limit: options.count });
        out(
          listingText(options.output, rows, [
            { header: "POSITION", value: (row) => row.position },
            { header: "TIME", value: (row) => row.at.slice(0, "2030-01-01 00:00:00".length) },
            { header: "WHO", value: (row) => row.label ?? row.who.slice(0, 16) },
            { header: "WHAT", value: (row) => row.method },
            { header: "OUTCOME", value: (row) => row.outcome },
            { header: "DETAIL", value: (row) => row.detail },
          ]),
        );
      }),
    );
  onConfig(audit.command("head"))
    .description("print where the audit stands, as POSITION:HASH, to be noted elsewhere")
    .action((options: BooksOptions) =>
      withAudit(options, async ({ database }) => {
        const head = await latestHead(database);
        if (!head) throw new OperatorError("nothing was audited yet");
        out(`${formatHead(head)}\n`);
      }),
    );
  onConfig(audit.command("verify"))
    .description("read all of the audit and make sure that no row was changed, moved or taken out")
    .addOption(headOption("slicelab agent audit head"))
    .action((options: VerificationOptions) =>
      withAudit(options, async ({ database, signer }) => {
        const rows = (after: number) => chainedRows(database, { after, limit: PAGE });
        const heads = (after: number) => chainHeads(database, after, PAGE);
        const last = await verifyChain({ heads, rows }, () => signer, options.head);
        out(`${formatHead(last)}\n`);
      }),
    );
}
