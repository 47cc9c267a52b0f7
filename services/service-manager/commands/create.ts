import type { Command } from "commander";
import type { Order } from "../planning/slice-order.ts";
import type { WishOptions } from "../planning/wish.ts";
import { EXIT, type ExitCode } from "../terminal/exit-code.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";
import { tellLeftBehind } from "./left-behind.ts";
import { tellSsh } from "./ssh-notice.ts";
import { wishAmong, withWishOptions } from "./wish-options.ts";

export function addCreate(parent: Command, tools: Tools): void {
  withWishOptions(withCommonOptions(parent.command("create")))
    .summary("create a slice, or finish creating one")
    .description(
      "Creates a slice: finds nodes, gets a ticket for each, makes a sliver on each, and starts the program of the description.\n" +
        "Run it again after an interruption or a partial failure (exit code 3): it goes on where it was.",
    )
    .action(async (target: string, options: WishOptions & CommonOptions) => {
      await invoke(tools, options, (invocation) => create(target, wishAmong(options), invocation));
    });
}

async function create(target: string, options: WishOptions, invocation: Invocation): Promise<ExitCode> {
  const { readWish } = await import("../planning/wish.ts");
  const wish = await readWish(target, options);
  const [{ createSlice }, { newOrder, storedOrder }, { SliceJournal }] = await Promise.all([
    import("../creation.ts"),
    import("../planning/slice-order.ts"),
    import("../journal/slice-journal.ts"),
  ]);
  const { home, effort, now } = invocation;
  using journal = await SliceJournal.open(home, wish.description.name);
  using network = await invocation.network();
  const order = journal.begun ? await storedOrder(journal, wish) : await newOrder(wish, network, now);
  const { complete, shortfall } = await createSlice(journal, order, network, effort, now);
  await report(invocation, journal.state, order, shortfall);
  await tellSsh(invocation, journal.state);
  return complete ? EXIT.ok : EXIT.partial;
}

async function report(
  invocation: Invocation,
  state: Parameters<typeof import("../slivers/sliver-view.ts").sliverViews>[0],
  { description }: Order,
  shortfall: readonly Error[],
): Promise<void> {
  const { sliverViews, sliverListing } = await import("../slivers/sliver-view.ts");
  const { name, nodes } = description;
  const slivers = state.leases.size;
  await invocation.print(
    sliverListing(sliverViews(state, invocation.now), { slice: name, phase: state.record.phase }),
  );
  for (const failure of shortfall) invocation.warn(failure.message);
  invocation.say(`slice ${name} has ${slivers} of ${nodes.count} slivers`);
  tellLeftBehind(invocation, state);
  if (state.record.phase !== "created") invocation.say(`run the same command again to finish it`);
}
