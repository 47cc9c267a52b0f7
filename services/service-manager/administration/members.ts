import type { Command } from "commander";
import { type AtDesk, type DeskOptions, withDeskOptions } from "./desk.ts";

/** `slice member`: who besides its owner may use a slice. */
export function addMembers(slice: Command, atDesk: AtDesk): void {
  const member = slice.command("member").summary("who besides its owner may use a slice");
  for (const [name, method, description] of [
    ["add", "addmember", "let somebody get tickets for it, and join its leases with slice adopt"],
    ["remove", "removemember", "put somebody out of it: nodes hear of it within half a minute"],
  ] as const) {
    withDeskOptions(
      member.command(name).argument("<slice>").argument("<principal>", "its name here, or its key's"),
    )
      .description(description)
      .action((which: string, principal: string, options: DeskOptions) =>
        atDesk(
          options,
          async ({ api, once }) => void (await api[method]({ slice: which, principal, ...once })),
        ),
      );
  }
  withDeskOptions(member.command("list").argument("<slice>"))
    .description("list its owner and its members")
    .action((which: string, options: DeskOptions) =>
      atDesk(options, async ({ api, print }) => {
        await print({
          rows: await api.listmembers({ slice: which }),
          columns: [
            { header: "KEY", value: (row) => row.principal },
            { header: "IS", value: (row) => (row.owner ? "owner" : "member") },
          ],
          name: (row) => row.principal,
          member: (row) => row,
        });
      }),
    );
}
