import { keyText, link } from "#shared/web/cells.ts";
import type { Content } from "#shared/web/html.ts";
import { principalPath } from "../addresses.ts";

/** Who did something: the name of a key, or `operator`; and what the key is called here. */
export type Actor = { readonly who: string; readonly label: string | null };

export function whoOf({ label, who }: Actor): string {
  return label ?? who;
}

export function whoShown({ label, who }: Actor): Content {
  if (label !== null) return link(principalPath(who), label);
  return who === "operator" ? "operator" : keyText(who);
}
