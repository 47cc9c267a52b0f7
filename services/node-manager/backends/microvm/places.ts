import { join } from "node:path";
import { refuseUnless } from "#shared/model/errors.ts";
import type { SliverId } from "../backend.ts";
import { type NodePlaces, sliverOf } from "../container/places.ts";

/** The socket by which the agent of a sliver is reached, in the sliver's directory. */
export const AGENT_SOCKET = "agent.sock";

/** The places of one microvm. All but the cgroup and the link lie beneath `directory`. */
export type MicrovmPlaces = {
  readonly id: SliverId;
  readonly directory: string;
  /** `directory` while it is being deleted: what lies there never runs again. */
  readonly gone: string;
  /** The sliver's own disk: everything that differs from its image. */
  readonly disk: string;
  /** The id of the image the sliver's disk belongs to. */
  readonly image: string;
  /** What the node says to the sliver: a layer between the image and the sliver's disk. */
  readonly seed: string;
  /** Says which account people use inside. */
  readonly login: string;
  /** What the microvm boots from, for as long as it boots. */
  readonly initramfs: string;
  /** An empty directory: all that the microvm's process sees of the machine. */
  readonly nothing: string;
  /** Says which process the microvm is, once its agent has answered. */
  readonly running: string;
  /** The sliver's address on the node, as long as it has a link there. */
  readonly address: string;
  /** Says what is to be forgotten of the connections to and from the address, while that is done. */
  readonly forgetting: string;
  /** The microvm's name on the machine, and that of its cgroup. */
  readonly name: string;
};

export function microvmPlaces(node: NodePlaces, id: SliverId): MicrovmPlaces {
  refuseUnless(sliverOf(id) === id, "MALFORMED", "a sliver's id is 16 lower-case hex digits");
  const directory = join(node.slivers, id);
  return {
    id,
    directory,
    gone: `${directory}.gone`,
    disk: join(directory, "disk"),
    image: join(directory, "image"),
    seed: join(directory, "seed"),
    login: join(directory, "login.json"),
    initramfs: join(directory, "initramfs"),
    nothing: join(directory, "nothing"),
    running: join(directory, "running.json"),
    address: join(directory, "address.json"),
    forgetting: join(directory, "forgetting"),
    name: `slicelab-${node.node}-${id}`,
  };
}
