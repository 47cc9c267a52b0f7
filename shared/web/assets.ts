import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

/** A file of the kit, at an address that changes with it. */
export type Asset = {
  readonly path: string;
  /** With a part of its digest: whoever has it need not ask again. */
  readonly address: string;
  readonly type: string;
  readonly bytes: Buffer;
};

export type Assets = Readonly<Record<"style" | "script" | "icon", Asset>>;

/** What all pages need besides themselves; there is nothing inline in them. */
export async function loadAssets(): Promise<Assets> {
  const [style, script, icon] = await Promise.all([
    asset("style.css", "text/css; charset=utf-8"),
    asset("script.js", "text/javascript; charset=utf-8"),
    asset("icon.svg", "image/svg+xml"),
  ]);
  return { style, script, icon };
}

async function asset(name: string, type: string): Promise<Asset> {
  const bytes = await readFile(new URL(name, import.meta.url));
  const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
  return { path: `/${name}`, address: `/${name}?${digest}`, type, bytes };
}
