import { join } from "node:path";
import { refuseUnless } from "#shared/model/errors.ts";
import type { SliverId } from "../backend.ts";

const SHORT_ID = /^[0-9a-f]{8}$/;
const SLIVER_ID = /^[0-9a-f]{16}$/;
/** Everybody may go through it to what they may enter there. */
const DOORS = "/run/slicelab";
// `,`, `:` and `\` separate things in the options of an overlay mount.
const DIRECTORY = /^\/[^,:\\\n\0]*$/;

/** Where one node keeps its slivers, on a file system that can carry an overlay's upper layer. */
export type NodePlaces = {
  /** The node's short id: 8 hex digits carried by everything the engine makes on the machine. */
  readonly node: string;
  /** Everything of the node: `<state directory>/<short id>`, open to root alone. */
  readonly directory: string;
  /** One directory for each sliver, named by its id; while it is being removed, by its id and `.gone`. */
  readonly slivers: string;
  /** Where disks with a bound lie, one directory each, named by its sliver's id. */
  readonly disks: string;
  /** The file system that is mounted on `disks`, unless the state directory's own can bound them. */
  readonly diskFile: string;
  /** runc's own state of the node's containers. */
  readonly runc: string;
};

/** The places of one sliver. All but the cgroup, the runc state and the door lie beneath `directory`. */
export type SliverPlaces = {
  readonly id: SliverId;
  readonly directory: string;
  /** `directory` while it is being deleted: what lies there never runs again. */
  readonly gone: string;
  /** The sliver's own disk: everything that differs from its image. Elsewhere where disks have a bound. */
  readonly upper: string;
  readonly work: string;
  /** The id of the image the sliver's disk belongs to, for as long as there is that disk. */
  readonly image: string;
  /** Whose the sliver's disk is, for as long as there is that disk: see `DiskOwner`. */
  readonly owner: string;
  /** Where the layers beneath the disk are while they are mounted together, as the sliver's root sees them. */
  readonly layers: string;
  /** Where `root` is while the sliver starts: for its own users the state directory may lie behind others' doors. */
  readonly door: string;
  /** What the node says to the sliver (its name, its resolver): a layer between the image and the sliver's disk. */
  readonly seed: string;
  /** Says which account people use inside. */
  readonly login: string;
  /** Where the layers are mounted together. */
  readonly root: string;
  readonly bundle: string;
  /** One short-lived file or two for each command that is running. */
  readonly commands: string;
  /** The sliver's address on the node, as long as it has a link there. */
  readonly address: string;
  /** What conntrack is told when the link is taken away. */
  readonly forgetting: string;
  /** Says which process is the sliver's first, once everything around it is ready. */
  readonly running: string;
  /** There from a start to the next end; held while runc is at either, also by one whose node manager was killed. */
  readonly lock: string;
  readonly log: string;
  readonly pidFile: string;
  /** The container's name for runc and the name of its cgroup. */
  readonly container: string;
};

export function nodePlaces(stateDirectory: string, node: string): NodePlaces {
  refuseUnless(SHORT_ID.test(node), "MALFORMED", "a node's short id is 8 lower-case hex digits");
  refuseUnless(
    DIRECTORY.test(stateDirectory),
    "MALFORMED",
    "the state directory must be an absolute path without a comma, colon or backslash",
  );
  const directory = join(stateDirectory, node);
  return {
    node,
    directory,
    slivers: join(directory, "slivers"),
    disks: join(directory, "disks"),
    diskFile: join(directory, "disks.btrfs"),
    runc: join(directory, "runc"),
  };
}

export function sliverPlaces(node: NodePlaces, id: SliverId): SliverPlaces {
  refuseUnless(SLIVER_ID.test(id), "MALFORMED", "a sliver's id is 16 lower-case hex digits");
  const directory = join(node.slivers, id);
  const container = `slicelab-${node.node}-${id}`;
  return {
    id,
    directory,
    gone: `${directory}.gone`,
    upper: join(directory, "upper"),
    work: join(directory, "work"),
    image: join(directory, "image"),
    owner: join(directory, "owner.json"),
    layers: join(directory, "layers"),
    door: join(DOORS, container),
    seed: join(directory, "seed"),
    login: join(directory, "login.json"),
    root: join(directory, "root"),
    bundle: join(directory, "bundle"),
    commands: join(directory, "commands"),
    address: join(directory, "address.json"),
    forgetting: join(directory, "forgetting"),
    running: join(directory, "running.json"),
    lock: join(directory, "lock"),
    log: join(directory, "runc.log"),
    pidFile: join(directory, "pid"),
    container,
  };
}

/** The sliver a name in `slivers` belongs to, or undefined for a name the engine never gives. */
export function sliverOf(name: string): SliverId | undefined {
  const id = name.endsWith(".gone") ? name.slice(0, -".gone".length) : name;
  return SLIVER_ID.test(id) ? id : undefined;
}
