import { readFile } from "node:fs/promises";
import type { Registry } from "#services/agent/registry/registry.ts";
import type { Enrolled } from "./identities.ts";
import { siteOf } from "./sites.ts";

type NewNode = {
  readonly name: string;
  /** Which of the testbed's nodes it is, from 1 on: it says where the node stands. */
  readonly number: number;
  readonly ip: string;
  readonly enrolled: Enrolled;
};

/** Has the agent's administrator accept a node, with its site, unless it is accepted already. */
export async function acceptNode(registry: Registry, { name, number, ip, enrolled }: NewNode): Promise<void> {
  if (await registry.knows(enrolled.sha256)) return;
  const certificate = await readFile(enrolled.cert, "utf8");
  const { name: site, ...where } = siteOf(number);
  if (!(await registry.knowsSite(site))) await registry.addSite(site);
  await registry.addNode({ label: name, certificate, ip, site, ...where });
}
