import { setTimeout as pause } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import { OperatorError } from "#shared/model/errors.ts";
import type { RevocationSigner, Revoked } from "#shared/model/revocation.ts";
import { formatInstant } from "#shared/model/time.ts";
import { claimedList, openRevocations } from "#shared/wire/revocation-document.ts";
import { readNamedFile } from "../terminal/named-file.ts";
import { shortName } from "../terminal/output.ts";
import { type AtDesk, allPages, type Desk, type DeskOptions, withDeskOptions } from "./desk.ts";

/** `revocation`: what is never to be believed again, and whether all nodes have heard of it. */
export function addRevocation(parent: Command, atDesk: AtDesk): void {
  const revocation = parent
    .command("revocation")
    .summary("keys, principals and tickets that are worth nothing any more, for ever");
  addActs(revocation, atDesk);
  addList(revocation, atDesk);
  addNodes(revocation, atDesk);
}

function addActs(revocation: Command, atDesk: AtDesk): void {
  withDeskOptions(revocation.command("publish").argument("<file>", "the list; - is standard input"))
    .description(
      "give the agent, and through it all nodes and brokers, the authority's signed list of revoked keys",
    )
    .action((file: string, options: DeskOptions) =>
      atDesk(options, async (desk) => {
        const list = (await readNamedFile(file)).toString("utf8");
        const { signer } = claimedList(list);
        await desk.api.postrevocations({ list });
        await reportTold(desk, (one) => one.signer === signer);
      }),
    );
  withDeskOptions(
    revocation.command("principal").argument("<name>", "its name at the agent, or that of its key"),
  )
    .description(
      "have nothing more to do with a principal, and end its leases at all nodes; nobody can take it back",
    )
    .action((name: string, options: DeskOptions) =>
      atDesk(options, async (desk) => {
        await desk.write(await desk.api.revokeprincipal({ principal: name, ...desk.once }));
        await reportTold(desk, ({ role }) => role === "agent");
      }),
    );
  withDeskOptions(
    revocation.command("ticket").argument("<sha256>", "its identity, as in a lease", readIdentity),
  )
    .description(
      "end the lease that a ticket of this agent became, or what stands on a part of a holding it granted",
    )
    .action((ticket: string, options: DeskOptions) =>
      atDesk(options, async (desk) => {
        await desk.api.revoketicket({ ticket, ...desk.once });
        await reportTold(desk, ({ role }) => role === "agent");
      }),
    );
}

type Standing = Awaited<ReturnType<Desk["api"]["listrevocations"]>>[number];

/** Nodes that live are told within this; whoever is away asks when it is back. */
const TOLD_WITHIN_MS = 6_000;
const LOOK_EVERY_MS = 200;

/** Says which nodes have the list, once they have it or are not likely to have it soon. */
async function reportTold({ api, write }: Desk, meant: (one: Standing) => boolean): Promise<void> {
  const until = performance.now() + TOLD_WITHIN_MS;
  for (;;) {
    const standing = (await api.listrevocations()).find(meant);
    if (!standing) return;
    const { nodes, untold } = standing;
    if (untold.length > 0 && performance.now() < until) {
      await pause(LOOK_EVERY_MS);
      continue;
    }
    await write(`${nodes - untold.length} of ${nodes} nodes have the list`);
    if (untold.length > 0) await write(`not yet: ${untold.join(", ")}; they ask for it when they are back`);
    return;
  }
}

type Entry = Revoked & { readonly by: RevocationSigner; readonly label?: string };

function addList(revocation: Command, atDesk: AtDesk): void {
  withDeskOptions(revocation.command("list"))
    .description("show what is revoked, as the authority and the agent have signed it")
    .action((options: DeskOptions) =>
      atDesk(options, async (desk) => {
        const [rows, labels] = [await entriesOf(desk), await labelsOf(desk)];
        await desk.print({
          rows: rows.map((row): Entry => ({ ...row, label: labels.get(row.id) })),
          columns: [
            { header: "WHAT", value: (row) => row.kind },
            { header: "NAME", value: (row) => row.label ?? shortName(row.id) },
            { header: "SINCE", value: (row) => formatInstant(row.since) },
            { header: "BY", value: (row) => row.by },
            { header: "SHA256", value: (row) => row.id, wide: true },
          ],
          name: (row) => row.id,
          member: ({ since, ...row }) => ({ ...row, since: formatInstant(since) }),
        });
      }),
    );
}

/** Each list is verified with the key of whoever has to have signed it. */
async function entriesOf({ api, agent, trust }: Desk): Promise<Omit<Entry, "label">[]> {
  const lists = await api.getrevocations({});
  return lists.flatMap((text) => {
    const { signer } = claimedList(text);
    const by: RevocationSigner = signer === agent().name ? "agent" : "authority";
    const key = by === "agent" ? agent() : trust.keys.find(({ name }) => name === signer);
    if (!key) throw new OperatorError(`a list is signed by ${signer}, who is no authority of yours`);
    return openRevocations(text, key, by).list.revoked.map((revoked) => ({ ...revoked, by }));
  });
}

async function labelsOf({ api }: Desk): Promise<Map<string, string>> {
  const principals = await allPages(
    (after?: string) => api.listprincipals({ after }),
    (row) => row.name,
  );
  return new Map(principals.map(({ principal, name }) => [principal, name]));
}

function addNodes(revocation: Command, atDesk: AtDesk): void {
  withDeskOptions(revocation.command("nodes"))
    .description(
      "show the lists that the agent goes by, and which nodes have not said yet that they have them",
    )
    .action((options: DeskOptions) =>
      atDesk(options, async ({ api, print }) =>
        print({
          rows: await api.listrevocations(),
          columns: [
            { header: "BY", value: (row) => row.role },
            { header: "NUMBER", value: (row) => String(row.number) },
            { header: "RECEIVED", value: (row) => row.received },
            { header: "NAMES", value: (row) => String(row.names) },
            { header: "NODES", value: (row) => `${row.nodes - row.untold.length}/${row.nodes}` },
            { header: "NOT YET", value: (row) => row.untold.join(" ") },
            { header: "SIGNER", value: (row) => row.signer, wide: true },
          ],
          name: (row) => row.signer,
          member: (row) => row,
        }),
      ),
    );
}

function readIdentity(text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw new InvalidArgumentError("Give the ticket's SHA-256: 64 hex digits.");
}
