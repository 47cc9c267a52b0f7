import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { Fault } from "#shared/model/errors.ts";
import { readIfPresent } from "#shared/runtime/durable-file.ts";

/** The last thing written into an image: what has no marker is not one. */
const MARKER = "image.json";

const number = z.int().min(0);
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

const schema = z.looseObject({
  digest: digest.optional(),
  manifest: digest.optional(),
  source: z.string().optional(),
  made: z.string().optional(),
  bytes: number.optional(),
  program: z
    .object({
      argv: z.array(z.string()).min(1).readonly(),
      user: z.object({ uid: number, gid: number, home: z.string() }),
      workingDirectory: z.string(),
    })
    .optional(),
  environment: z.record(z.string(), z.string()).optional(),
});

/**
 * What is known of an image. `digest`: of its tree, and `manifest`: of the OCI image it was, where it was one; `bytes`: of
 * its files. All are absent for one that somebody put there by hand.
 */
export type ImageMarker = z.infer<typeof schema>;

/** What the directory says of itself if it is an image. BACKEND_FAILED for a marker that is none. */
export async function readMarker(directory: string): Promise<ImageMarker | undefined> {
  const bytes = await readIfPresent(join(directory, MARKER));
  if (!bytes) return undefined;
  try {
    return schema.parse(JSON.parse(bytes.toString()));
  } catch (cause) {
    throw new Fault(
      "BACKEND_FAILED",
      "an image of this node has a marker that can't be read; mend or remove it",
      {
        cause,
      },
    );
  }
}

export async function writeMarker(directory: string, marker: ImageMarker & { name: string }): Promise<void> {
  await writeFile(join(directory, MARKER), `${JSON.stringify(marker)}\n`, { mode: 0o644 });
}
