import type { Instant } from "#shared/model/time.ts";
import type { Backend, Engine } from "./backend.ts";
import { containerBackend } from "./container/engine.ts";
import { dockerBackend } from "./docker/engine.ts";
import type { ImageLimits } from "./images/image-limits.ts";
import type { ImageWish } from "./images/images.ts";
import { microvmBackend } from "./microvm/engine.ts";
import { simulatedBackend } from "./simulated.ts";

/** Where a machine keeps its reference images unless told otherwise: shared by all of its nodes. */
export const IMAGES_DIRECTORY = "/var/lib/slicelab/images";

export type BackendOptions = {
  /** The node's short id: the first 8 hex digits of its identity. */
  readonly node: string;
  /** Where the engine may keep what it makes for this node. */
  readonly stateDirectory: string;
  readonly imagesDirectory?: string;
  /** Reference images to offer, the default one first. */
  readonly images?: readonly [ImageWish, ...ImageWish[]];
  /** How large an image may become that is made now. */
  readonly imageLimits?: ImageLimits;
  /** What the node's slivers may send altogether, in kbit/s. As much as they like when absent or 0. */
  readonly egressKbps?: number;
  /** The machine's address under which people know the node; every address of the machine when absent. */
  readonly address?: string;
  /** The Docker daemon's, if not the usual one. */
  readonly dockerSocket?: string;
  /** How much of the machine's disk all slivers of the node may have together; all that is free when absent. */
  readonly diskMib?: number;
  readonly now: () => Instant;
};

/** Opens the engine a node is configured with. The only place that knows engines by name, besides the engines. */
export async function openBackend(engine: Engine, options: BackendOptions): Promise<Backend> {
  const { imagesDirectory = IMAGES_DIRECTORY } = options;
  switch (engine) {
    case "simulated":
      return simulatedBackend();
    case "container":
      return containerBackend({ ...options, imagesDirectory });
    case "microvm":
      return microvmBackend({ ...options, imagesDirectory });
    case "docker":
      return dockerBackend({ ...options, imagesDirectory, socket: options.dockerSocket });
    default:
      return engine satisfies never;
  }
}
