import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "#shared/model/errors.ts";
import type { SliverPlan } from "../backend.ts";
import type { Image } from "../images/images.ts";
import { recordImage } from "../images/sliver-image.ts";
import { nameProcess, writeProcessName } from "../machine/process.ts";
import type { Network } from "../network/network.ts";
import { mayHavePrograms } from "../programs/sliver-programs.ts";
import { readLogin } from "../seed/login.ts";
import { seed } from "../seed/seed.ts";
import { checkAccounts } from "./accounts.ts";
import { bundle } from "./bundle.ts";
import { readDiskOwner, settleDiskOwner } from "./disk/disk-owner.ts";
import { mountDisk, rootOf, throughDoor } from "./disk/mapped-disk.ts";
import type { Storage } from "./disk/storage.ts";
import type { SliverPlaces } from "./places.ts";
import type { Runc } from "./runc.ts";
import type { IdBlocks } from "./users/id-blocks.ts";

/** What the steps of starting one sliver work with. */
export type Start = {
  readonly plan: SliverPlan;
  readonly sliver: SliverPlaces;
  readonly image: Image;
  readonly init: string;
  readonly countsSwap: boolean;
  readonly openFiles: number;
  /** Where a first start gets the sliver's own users from; absent: they are the machine's. */
  readonly blocks?: IdBlocks | undefined;
  readonly runc: Runc;
  readonly network: Network;
  readonly storage: Storage;
};

type Step = { readonly name: string; readonly take: (start: Start) => Promise<void> };

/**
 * How a sliver starts, on a new disk or on its old one. A crash may come between any two steps: nothing before the
 * last one counts as running, and `halt` undoes any number of them.
 */
export const STEPS: readonly Step[] = [
  {
    name: "directories",
    take: async ({ sliver }) => {
      const directories = [sliver.seed, sliver.root, sliver.bundle];
      for (const directory of directories) await mkdir(directory, { recursive: true, mode: 0o755 });
      await rm(sliver.commands, { recursive: true, force: true });
    },
  },
  {
    name: "storage",
    take: ({ sliver, storage, plan }) => storage.make(sliver, plan.resources.diskMib),
  },
  { name: "owner", take: ({ sliver, blocks }) => settleDiskOwner(sliver, blocks) },
  {
    name: "image",
    take: ({ sliver, image }) => recordImage(sliver.image, image),
  },
  {
    name: "seed",
    take: async ({ sliver, plan, image, network }) => {
      const login = await seed(sliver.seed, plan.slice, image, await network.resolvConf(plan));
      await writeFile(sliver.login, JSON.stringify(login), { mode: 0o600 });
    },
  },
  {
    name: "disk",
    take: async ({ sliver, image, storage, plan }) => {
      await mountDisk(sliver, await readDiskOwner(sliver), [sliver.seed, image.root]);
      await storage.bound(sliver, plan.resources.diskMib);
      checkAccounts(sliver.root);
    },
  },
  {
    name: "bundle",
    take: async ({ sliver, ...needs }) => {
      const owner = await readDiskOwner(sliver);
      const { environment } = needs.image;
      const places = { cgroup: sliver.container, root: rootOf(sliver, owner) };
      const config = bundle({ ...needs, ...owner, ...places, environment });
      await writeFile(join(sliver.bundle, "config.json"), JSON.stringify(config), { mode: 0o600 });
    },
  },
  {
    name: "processes",
    take: async ({ sliver, runc }) =>
      throughDoor(sliver, await readDiskOwner(sliver), () => runc.start(sliver)),
  },
  {
    name: "network",
    take: async ({ sliver, plan, runc, network }) => {
      if (plan.administrative) return; // it is in the node's
      await network.connect(sliver, await runc.firstProcess(sliver), plan);
    },
  },
  {
    name: "programs",
    take: async ({ sliver, image, runc }) => {
      if ((await readLogin(sliver.login)).withoutShell) {
        if (image.program) await runc.startImageProgram(sliver, image.program);
      } else if (await mayHavePrograms(sliver.root)) await runc.startPrograms(sliver);
    },
  },
  { name: "running", take: ({ sliver, runc }) => declareRunning(sliver, runc) },
];

async function declareRunning(sliver: SliverPlaces, runc: Runc): Promise<void> {
  const first = await nameProcess(await runc.firstProcess(sliver));
  if (!first) throw new Fault("BACKEND_FAILED", "the sliver's first process ended at once; try again");
  await writeProcessName(sliver.running, first);
}
