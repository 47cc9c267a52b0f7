import type { Backend, SliverPlan } from "#services/node-manager/backends/backend.ts";
import { IMAGES_DIRECTORY } from "#services/node-manager/backends/open.ts";
import { someNode, somePlan } from "#test/contract/backend.ts";
import { containerBench } from "../backends/container-bench.ts";
import { type SshLab, sshLab } from "./ssh-lab.ts";

/** A gateway into real container slivers: `oceanstore` over debian-12, and `tiny` over busybox. */
export type SshSliverLab = SshLab & { readonly backend: Backend; readonly plans: Record<Slice, SliverPlan> };

type Slice = "oceanstore" | "tiny";

export async function sshSliverLab(): Promise<SshSliverLab> {
  await using owned = new AsyncDisposableStack();
  const bench = owned.use(await containerBench());
  // The machine's own images, so that this one is built once on it and not once a test run.
  const images = ["debian-12", "busybox"] as const;
  const backend = await bench.open(someNode(), { imagesDirectory: IMAGES_DIRECTORY, images });
  const resources = { cpuMillis: 1000, memoryMib: 512, diskMib: 1024, egressKbps: 0 };
  const plans = {
    oceanstore: somePlan({ slice: "oceanstore", image: "debian-12", resources }),
    tiny: somePlan({ slice: "tiny", image: "busybox", resources }),
  };
  for (const plan of Object.values(plans)) await backend.ensure(plan);
  const lab = owned.use(
    await sshLab({
      slices: { oceanstore: plans.oceanstore.id, tiny: plans.tiny.id },
      exec: (id, command) => backend.exec(id, command),
      connect: (id, host, port) => backend.connect?.(id, host, port),
      listen: (id, port) => backend.listen?.(id, port),
    }),
  );
  await lab.newKey();
  const kept = owned.move();
  return { ...lab, backend, plans, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
