import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { PortRange } from "#shared/model/ports.ts";
import type { SliverId, SliverPlan } from "../backend.ts";
import { type Confinement, confinementOf } from "../container/administrative.ts";
import { OOM_SCORE, OPEN_FILES, PROCESSES } from "../container/bundle.ts";
import { READ_ONLY_PATHS } from "../container/confinement.ts";
import type { ImageProgram } from "../images/image-program.ts";
import type { Image } from "../images/images.ts";
import { processorShare } from "../machine/processor-share.ts";
import type { Login } from "../seed/login.ts";
import { INIT_INSIDE } from "./reference-image.ts";

/** What a container carries, so that it can be found again and told whose it is from the daemon alone. */
export const LABELS = {
  node: "slicelab.node",
  sliver: "slicelab.sliver",
  /** The account people use inside, as JSON. */
  login: "slicelab.login",
  /** What its image says is to run, as JSON. */
  program: "slicelab.program",
  /** The ceiling of what it sends, in kbit/s. */
  egress: "slicelab.egress",
} as const;

const MEBIBYTE = 1024 * 1024;
/** Each published port is a program of the daemon's own. */
const MOST_PORTS = 256;
/** What every command starts from, unless the image says otherwise. */
const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LANG: "C.UTF-8",
} as const;

/** Name of a sliver's container, and of the network of a node's slivers. */
export function containerName(node: string, id: SliverId): string {
  return `slicelab-${node}-${id}`;
}

export function networkName(node: string): string {
  return `slicelab-${node}`;
}

/** The network's device on the machine. */
export function bridgeName(node: string): string {
  return `dk${node}`;
}

export type ContainerNeeds = {
  readonly node: string;
  readonly plan: SliverPlan;
  readonly login: Login;
  readonly image: Image;
  /** What the daemon calls its copy of the image. */
  readonly reference: string;
  /** The address of the node on which its ports are published; every address of the machine when absent. */
  readonly address?: string;
  /** At most so many open files can be given here. */
  readonly openFiles: number;
  /** Whether the daemon can hold a disk to its size. */
  readonly boundsDisks: boolean;
};

/** A sliver as Docker understands it: the body of `POST /containers/create`. */
export function sliverContainer(needs: ContainerNeeds): object {
  const { node, plan, login, image } = needs;
  const confinement = confinementOf(plan.administrative);
  const published = publications(plan.ports ?? [], needs.address ?? "0.0.0.0");
  const { egressKbps } = plan.ceilings;
  return {
    Image: needs.reference,
    Hostname: plan.slice,
    Entrypoint: [INIT_INSIDE, "-P"],
    Env: listed({ ...ENVIRONMENT, ...image.environment }),
    WorkingDir: "/",
    User: "0:0",
    Labels: {
      [LABELS.node]: node,
      [LABELS.sliver]: plan.id,
      [LABELS.login]: JSON.stringify(login),
      ...(image.program && { [LABELS.program]: JSON.stringify(image.program) }),
      ...(egressKbps !== undefined && { [LABELS.egress]: String(egressKbps) }),
    },
    ExposedPorts: Object.fromEntries(Object.keys(published).map((port) => [port, {}])),
    HostConfig: {
      ...limits(needs),
      ...confined(confinement),
      ...place(needs, published),
      LogConfig: { Type: "none" },
      RestartPolicy: { Name: "no" }, // the node manager starts slivers again, by their leases
    },
  };
}

function limits({ plan, openFiles, boundsDisks }: ContainerNeeds): object {
  const { resources, ceilings } = plan;
  const { shares, quota, period } = processorShare(resources, ceilings);
  const memory = resources.memoryMib * MEBIBYTE;
  const files = Math.min(OPEN_FILES, openFiles);
  return {
    ...{ CpuShares: shares, CpuQuota: quota && Math.round(quota), CpuPeriod: period },
    // Memory and swap together are not more than memory alone: no swap.
    ...{ Memory: memory, MemorySwap: memory },
    PidsLimit: PROCESSES,
    Ulimits: [{ Name: "nofile", Soft: files, Hard: files }],
    OomScoreAdj: OOM_SCORE,
    ...(boundsDisks && resources.diskMib > 0 && { StorageOpt: { size: `${resources.diskMib}M` } }),
  };
}

function confined({ capabilities, seccomp, maskedPaths, sysctl }: Confinement): object {
  return {
    ...{ CapDrop: ["ALL"], CapAdd: capabilities },
    // Not `no-new-privileges`: people get at the sliver's root by sudo.
    SecurityOpt: [`seccomp=${JSON.stringify(seccomp)}`],
    ...{ MaskedPaths: maskedPaths, ReadonlyPaths: READ_ONLY_PATHS, Sysctls: sysctl },
    ...{ IpcMode: "private", CgroupnsMode: "private" },
  };
}

/** An administrative sliver is in the node's own network and process table (paper §4.3). */
function place({ node, plan }: ContainerNeeds, published: object): object {
  if (plan.administrative) return { NetworkMode: "host", PidMode: "host", UsernsMode: "host" };
  return { NetworkMode: networkName(node), PortBindings: published };
}

function listed(variables: Readonly<Record<string, string>>): string[] {
  return Object.entries(variables).map(([name, value]) => `${name}=${value}`);
}

type Publications = Record<string, { HostIp: string; HostPort: string }[]>;

function publications(ranges: readonly PortRange[], address: string): Publications {
  const published: Publications = {};
  const count = ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  refuseUnless(
    count <= MOST_PORTS,
    "BACKEND_FAILED",
    `the docker engine publishes at most ${MOST_PORTS} ports of a sliver, not ${count}; ask for fewer`,
  );
  for (const { protocol, from, to } of ranges) {
    for (let port = from; port <= to; port++)
      published[`${port}/${protocol}`] = [{ HostIp: address, HostPort: String(port) }];
  }
  return published;
}

/** What of `GET /containers/…/json` is used here. */
export type ContainerFacts = {
  readonly State: {
    readonly Running: boolean;
    readonly Pid: number;
    readonly StartedAt: string;
  };
  readonly Id: string;
  readonly Config: { readonly Labels: Readonly<Record<string, string>>; readonly Env: readonly string[] };
  readonly HostConfig: { readonly NetworkMode: string };
  /** By networks' names; the address is empty while it does not run. */
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>>;
  };
  readonly SizeRw?: number;
  readonly ExecIDs: readonly string[] | null;
};

/** Whether its disk is a sliver's already. One that was made but never started is made ready once more. */
export function wasStarted({ State }: ContainerFacts): boolean {
  return !State.StartedAt.startsWith("0001-");
}

export function loginIn({ Config }: ContainerFacts): Login {
  const said = Config.Labels[LABELS.login];
  if (said === undefined) throw new Fault("BACKEND_FAILED", "the container has no login; remove the sliver");
  return JSON.parse(said) as Login;
}

/** What is to run in it from each of its starts on, if its image says so. */
export function programIn({ Config }: ContainerFacts): ImageProgram | undefined {
  const said = Config.Labels[LABELS.program];
  return said === undefined ? undefined : (JSON.parse(said) as ImageProgram);
}
