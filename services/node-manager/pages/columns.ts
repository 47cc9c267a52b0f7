import type { Resources } from "#shared/model/resources.ts";
import type { Instant } from "#shared/model/time.ts";
import { keyText, utc } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import type { Column } from "#shared/web/table.ts";

/** Words that machines read, whole. */
export function coded<Row>(key: string, title: string, value: (row: Row) => string): Column<Row> {
  return { key, title, value, show: (row) => html`<code>${value(row)}</code>` };
}

/** Names of keys and of documents, by their beginnings. */
export function keyed<Row>(key: string, title: string, value: (row: Row) => string | undefined): Column<Row> {
  const show = (row: Row) => {
    const name = value(row);
    return name === undefined ? undefined : keyText(name);
  };
  return { key, title, value, show };
}

/** Times, in UTC. */
export function time<Row>(key: string, title: string, value: (row: Row) => Instant | undefined): Column<Row> {
  return { key, title, time: true, value, show: (row) => utc(value(row)) };
}

/** Resources, a column each. */
export function resourceColumns<Row>(of: (row: Row) => Resources): Column<Row>[] {
  const column = (dimension: keyof Resources, title: string): Column<Row> => {
    return { key: dimension, title, value: (row) => of(row)[dimension] };
  };
  return [
    column("cpuMillis", "Processor (1/1000 core)"),
    column("memoryMib", "Memory (MiB)"),
    column("diskMib", "Disk (MiB)"),
    column("egressKbps", "Egress (kbit/s)"),
  ];
}
