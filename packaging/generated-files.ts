import { configurationText } from "./configuration.ts";
import { CONFIGURATIONS } from "./configurations.ts";

/** Every file below packaging/ that is made from the code, by its path there: what `npm run packaging` writes. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const [name, configuration] of Object.entries(CONFIGURATIONS)) {
    files.set(`config/${name}`, configurationText(configuration));
  }
  return files;
}
