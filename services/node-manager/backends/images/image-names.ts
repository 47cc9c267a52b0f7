import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readIfPresent, writeDurably } from "#shared/runtime/durable-file.ts";

const schema = z.object({ current: z.string(), sources: z.record(z.string(), z.string()) });

/** Which image a name stands for, and which one each source of that name gave last. By ids. */
export type ImageName = z.infer<typeof schema>;

/** What a name of imported images stands for; undefined for a recipe's, or of an image put there by hand. */
export async function readName(imagesDirectory: string, name: string): Promise<ImageName | undefined> {
  const bytes = await readIfPresent(placeOf(imagesDirectory, name));
  return bytes && schema.parse(JSON.parse(bytes.toString()));
}

/** Has the name stand for this image from now on, and remembers its source. Whoever calls this holds the name's lock. */
export async function writeName(
  imagesDirectory: string,
  name: string,
  { id, source }: { id: string; source: string },
): Promise<void> {
  await mkdir(join(imagesDirectory, NAMES), { recursive: true, mode: 0o755 });
  const { sources = {} } = (await readName(imagesDirectory, name)) ?? {};
  const changed: ImageName = { current: id, sources: { ...sources, [source]: id } };
  await writeDurably(placeOf(imagesDirectory, name), `${JSON.stringify(changed)}\n`, 0o644);
}

/** No image has a name that begins with a dot. */
const NAMES = ".names";

function placeOf(imagesDirectory: string, name: string): string {
  return join(imagesDirectory, NAMES, `${name}.json`);
}
