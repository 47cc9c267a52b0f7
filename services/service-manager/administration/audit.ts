import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError } from "commander";
import { parseCertificate } from "#shared/identity/certificate.ts";
import { type PublicKey, publicKeyOf } from "#shared/identity/key.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { type ChainHead, formatHead, readSignedHead, verifyChain } from "#shared/wire/audit-chain.ts";
import { headOption } from "#shared/wire/audit-head-option.ts";
import { shortName } from "../terminal/output.ts";
import { type AtDesk, type Desk, type DeskOptions, withDeskOptions } from "./desk.ts";

/** `audit`: what was done and refused, and whether somebody has changed what is told of it. */
export function addAudit(parent: Command, atDesk: AtDesk): void {
  const audit = parent.command("audit").summary("what was done and refused, and by whom");
  addList(audit, atDesk);
  addHead(audit, atDesk);
  addVerification(audit, atDesk);
}

/** How many rows are shown where nothing is said. */
const SHOWN = 50;

type ListOptions = DeskOptions & { readonly after?: number; readonly count: number };

function addList(audit: Command, atDesk: AtDesk): void {
  withDeskOptions(audit.command("list").description("show what was done and refused, the latest last"))
    .option("--after <position>", "what follows this position (default: the end)", wholeNumber)
    .option("--count <number>", "how many at most, up to 1000", wholeNumber, SHOWN)
    .action((options: ListOptions) =>
      atDesk(options, async ({ api, print }) => {
        const { count } = options;
        const [head] = options.after === undefined ? await api.getauditheads({ latest: true }) : [];
        const after = options.after ?? Math.max(0, (head?.position ?? 0) - count);
        await print({
          rows: await api.getaudit({ after, limit: count }),
          columns: [
            { header: "POSITION", value: (row) => String(row.position) },
            { header: "TIME", value: (row) => row.at.slice(0, "2030-01-01 00:00:00".length) },
            { header: "WHO", value: (row) => row.name ?? shortName(row.who) },
            { header: "WHAT", value: (row) => row.method },
            { header: "OUTCOME", value: (row) => row.outcome },
            { header: "DETAIL", value: (row) => row.detail },
            { header: "HASH", value: (row) => row.hash, wide: true },
          ],
          name: (row) => String(row.position),
          member: (row) => row,
        });
      }),
    );
}

function addHead(audit: Command, atDesk: AtDesk): void {
  withDeskOptions(audit.command("head"))
    .description(
      "print where the audit stands, as POSITION:HASH; noted elsewhere, it shows later whether anything before it was changed",
    )
    .action((options: DeskOptions) =>
      atDesk(options, async ({ api, write }) => {
        const [head] = await api.getauditheads({ latest: true });
        if (!head) throw new OperatorError("nothing was audited yet");
        await write(formatHead(head));
      }),
    );
}

type VerificationOptions = DeskOptions & { readonly head?: ChainHead; readonly earlier: readonly string[] };

function addVerification(audit: Command, atDesk: AtDesk): void {
  withDeskOptions(audit.command("verify"))
    .description("read all of the audit and make sure that no row was changed, moved or taken out")
    .addOption(headOption("slicelab admin audit head"))
    .option(
      "--earlier <certificate>",
      "of a key the agent had before the one it has now, whose heads are its own, too (repeatable, the oldest first)",
      (file: string, files: readonly string[]) => [...files, file],
      [],
    )
    .action((options: VerificationOptions) =>
      atDesk(options, async (desk) => {
        const earlier = await Promise.all(options.earlier.map(certifiedKey));
        const last = await verify(desk, options.head, earlier);
        await desk.write(formatHead(last));
      }),
    );
}

/** Throws OperatorError where the chain breaks. */
async function verify(
  { api, agent }: Desk,
  known: ChainHead | undefined,
  earlier: readonly PublicKey[],
): Promise<ChainHead> {
  const rows = (after: number) => api.getaudit({ after });
  const heads = async (after: number) => (await api.getauditheads({ after })).map(readSignedHead);
  return await verifyChain({ heads, rows }, agent, known, earlier);
}

/** The key in a certificate's file; that it has ended long ago is no matter. */
async function certifiedKey(file: string): Promise<PublicKey> {
  return publicKeyOf(parseCertificate(await readFile(file, "utf8")).publicKey);
}

function wholeNumber(text: string): number {
  if (/^(0|[1-9]\d{0,14})$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Give a whole number.");
}
