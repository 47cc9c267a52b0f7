import { readFileSync } from "node:fs";
import { tooFew } from "#services/broker/matching/explanation.ts";
import { match } from "#services/broker/matching/matching.ts";
import type { Advertisement } from "#services/broker/matching/specification.ts";
import { shareOfOne } from "#shared/model/resources.ts";
import type { SliceDescription } from "#shared/model/slice-description.ts";
import { readSliceDescription } from "#shared/wire/slice-description.ts";
import { NOW } from "#test/support/documents.ts";
import { advertisement, nodeName, SMALL } from "../advertisements.ts";

/** An example of the guide, and what the guide says it gets. */
export type Example = { readonly xml: string; readonly said: string };

const GUIDE = new URL("../../../../docs/guides/slice-descriptions.md", import.meta.url);

/** The examples of the guide, in its order, and the nodes it tries them against. */
export function readGuide(): { examples: Example[]; ads: Advertisement[] } {
  const text = readFileSync(GUIDE, "utf8");
  const examples = [...text.matchAll(/```xml\n(.*?)```\n(?:\n→ (.*?)\n\n)?/gs)].map(([, xml, said]) => {
    return { xml: xml!, said: (said ?? "").replaceAll("\n", " ") };
  });
  const rows = [...text.matchAll(/^\| (10\.0\..*) \|$/gm)].map(([, row]) => row!.split("|"));
  return {
    examples,
    ads: rows.map((cells, at) =>
      nodeOf(
        cells.map((cell) => cell.trim()),
        at + 1,
      ),
    ),
  };
}

/** The whole description of an example that shows a part of one. */
export function descriptionOf({ xml }: Example): SliceDescription {
  if (xml.includes("<slice>")) return readSliceDescription(xml);
  const parts = [
    "<name>oceanstore</name>",
    xml.includes("<nodes") ? "" : "<nodes>3</nodes>",
    xml.includes("<lease_seconds>") ? "" : "<lease_seconds>86400</lease_seconds>",
  ];
  return readSliceDescription(`<slice>${parts.join("")}${xml}</slice>`);
}

/** What a description gets of some nodes, in the guide's words. */
export function outcomeOf(description: SliceDescription, ads: readonly Advertisement[]): string {
  const { atleast } = description.nodes;
  const demand = shareOfOne(description.resources ?? SMALL);
  const specification = match(description, ads, NOW, { demand });
  if (specification.chosen.length < atleast) return `refused: ${tooFew(specification, atleast).sentence}`;
  const [chosen, standby] = [specification.chosen, specification.standby].map((list) =>
    list.map(({ ip }) => ip).join(", "),
  );
  return standby ? `${chosen}; in reserve ${standby}` : chosen!;
}

function nodeOf(cells: readonly string[], number: number): Advertisement {
  const [ip, site, country, region, load, cpus, memory, engines, images, tags, heard, alive] =
    cells as string[];
  const { free, resources } = advertisement(number);
  const list = (cell = "") => cell.split(", ").filter((one) => one !== "");
  const said = [`site=${site}`, `country=${country}`, `region=${region}`, ...list(tags)];
  return advertisement(number, {
    ...{ node: nodeName(number), ip, site, country, region },
    tags: new Map(said.map((tag) => [tag.split("=")[0]!, [tag.split("=")[1]!]])),
    engines: list(engines),
    abilities: list(engines).map((engine) => {
      return { engine, abilities: engine === "microvm" ? ["ports"] : ["ports", "administrative"] };
    }),
    images: list(images),
    resources,
    free: { ...free, memoryMib: Number(memory) },
    load: load ? Number(load) : undefined,
    cpus: cpus ? Number(cpus) : undefined,
    heard: NOW - Number.parseInt(heard!, 10),
    liveness: alive ? Number.parseFloat(alive) / 100 : undefined,
  });
}
