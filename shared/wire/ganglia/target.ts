import { z } from "zod";

/** Somebody who is told metrics, or asked what they mean: where a gmond or a monitor of ours takes packets. */
export type Target = { readonly host: string; readonly port: number };

const WRITTEN = /^(?:\[([0-9a-fA-F:]+)\]|([\w.-]+)):(\d{1,5})$/;

/** A target as configurations have it: HOST:PORT, or [::1]:PORT. */
export const writtenTarget = z.string().transform((written, context): Target => {
  const [, v6, name, number] = WRITTEN.exec(written) ?? [];
  const host = v6 ?? name;
  const port = Number(number);
  if (host !== undefined && port >= 1 && port <= 65_535) return { host, port };
  context.addIssue({ code: "custom", message: "must be written HOST:PORT, with a port from 1 to 65535" });
  return z.NEVER;
});
