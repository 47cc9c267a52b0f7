import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { runProgram } from "../machine/program.ts";
import type { ImageLimits } from "./image-limits.ts";
import { bounded, unpackedBytes } from "./unpacking.ts";

const COPY_MILLISECONDS = 15 * 60_000;
const TAG = "image";
const MOST_DESCRIPTION = 4 * 1024 * 1024;

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const blob = z.object({ mediaType: z.string(), digest, size: z.number() });
const index = z.object({ manifests: z.tuple([blob]) });
const manifest = z.object({ config: blob, layers: z.array(blob) });
const strings = z.array(z.string()).nullish();
/** Of the image configuration of OCI's image specification 1.0 what means something to a sliver. */
const configuration = z.object({
  config: z
    .object({
      User: z.string().nullish(),
      Env: strings,
      Entrypoint: strings,
      Cmd: strings,
      WorkingDir: z.string().nullish(),
    })
    .nullish(),
});

/** What an OCI image says about running it. Nothing of it is checked. */
export type OciWishes = {
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly environment: readonly string[];
  readonly user: string;
  readonly workingDirectory: string;
};

/**
 * Unpacks an OCI image into `root` by skopeo and umoci, which stay inside of it; `layout` is a place for its layers
 * meanwhile. Gives its manifest's digest and what it says about running it. Nothing of the image runs.
 */
export async function unpackOciImage(
  reference: string,
  { layout, root, limits }: { layout: string; root: string; limits: ImageLimits },
): Promise<{ manifest: string; wishes: OciWishes }> {
  const patience = { patienceMilliseconds: COPY_MILLISECONDS };
  // Its credentials for registries are where skopeo and docker keep root's.
  const skopeo = [`HOME=${homedir()}`, "skopeo", "copy", "--quiet", "--override-os", "linux"];
  const copy = bounded(limits, ["env", ...skopeo, reference, `oci:${layout}:${TAG}`]);
  await runProgram("get the OCI image (is skopeo installed, and does the image exist?)", copy, patience);
  const read = await readLayout(layout);
  await checkLayers(layout, read.layers, limits);
  const unpack = bounded(limits, ["umoci", "raw", "unpack", "--image", `${layout}:${TAG}`, root]);
  await runProgram("unpack the OCI image (is umoci installed?)", unpack, patience);
  await rm(layout, { recursive: true });
  return { manifest: read.manifest, wishes: read.wishes };
}

type Layout = {
  readonly manifest: string;
  readonly layers: readonly z.infer<typeof blob>[];
  readonly wishes: OciWishes;
};

async function readLayout(layout: string): Promise<Layout> {
  const { manifests } = parsed(index, await readFile(join(layout, "index.json")));
  const { config, layers } = parsed(manifest, await readBlob(layout, manifests[0].digest));
  const { config: wishes } = parsed(configuration, await readBlob(layout, config.digest));
  return {
    manifest: manifests[0].digest,
    layers,
    wishes: {
      entrypoint: wishes?.Entrypoint ?? [],
      command: wishes?.Cmd ?? [],
      environment: wishes?.Env ?? [],
      user: wishes?.User ?? "",
      workingDirectory: wishes?.WorkingDir || "/",
    },
  };
}

/** Layers are looked at before they are unpacked: they may be small and hold very much. */
async function checkLayers(layout: string, layers: Layout["layers"], limits: ImageLimits): Promise<void> {
  let bytes = 0;
  for (const layer of layers) {
    refuseUnless(
      /[.]tar([+]gzip)?$|[.]tar[.]gzip$/.test(layer.mediaType),
      "MALFORMED",
      "the image has a layer that is no tar, packed by gzip or not; copy it with another packing first",
    );
    bytes = await unpackedBytes(blobPath(layout, layer.digest), limits, bytes);
  }
}

async function readBlob(layout: string, name: string): Promise<Buffer> {
  const bytes = await readFile(blobPath(layout, name));
  const found = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  refuseUnless(found === name, "BACKEND_FAILED", "the image is not what its digest says; get it again");
  return bytes;
}

/** Only a digest that was checked becomes part of a path. */
function blobPath(layout: string, name: string): string {
  return join(layout, "blobs", ...digest.parse(name).split(":"));
}

function parsed<T>(schema: z.ZodType<T>, bytes: Buffer): T {
  refuseUnless(bytes.length < MOST_DESCRIPTION, "TOO_LARGE", "the image says too much about itself");
  try {
    return schema.parse(JSON.parse(bytes.toString()));
  } catch (cause) {
    throw new Fault("MALFORMED", "the image is no OCI image; its description can't be read", { cause });
  }
}
