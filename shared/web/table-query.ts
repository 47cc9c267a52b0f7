/** How somebody wants to see a table. In a query string each of it stands behind the table's id and a dot. */
export type TableQuery = {
  /** A column's key. */
  readonly sort?: string;
  readonly descending: boolean;
  /** From 1. */
  readonly page: number;
  /** By column. */
  readonly filters: ReadonlyMap<string, string>;
};

const LONGEST_FILTER = 100;
const MOST_PAGES = 1_000_000;

/** What the query string says of the table `id`. What makes no sense is as if it were not there. */
export function tableQuery(
  parameters: URLSearchParams,
  id: string,
  columns: readonly { readonly key: string }[],
): TableQuery {
  const [, sign, sort] = /^(-?)(.*)$/s.exec(parameters.get(`${id}.sort`) ?? "") ?? [];
  const page = Number(parameters.get(`${id}.page`) ?? 1);
  const filters = columns.flatMap(({ key }) => {
    const filter = parameters.get(filterName(id, key))?.trim().slice(0, LONGEST_FILTER);
    return filter ? [[key, filter] as const] : [];
  });
  return {
    sort: columns.find(({ key }) => key === sort)?.key,
    descending: sign === "-",
    page: Number.isInteger(page) && page >= 1 && page <= MOST_PAGES ? page : 1,
    filters: new Map(filters),
  };
}

export function filterName(id: string, key: string): string {
  return `${id}.is.${key}`;
}

/** The same place with some of the query string otherwise: `undefined` takes a parameter away. */
export function changedQuery(
  parameters: URLSearchParams,
  changes: Readonly<Record<string, string | undefined>>,
): string {
  const changed = new URLSearchParams(parameters);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) changed.delete(name);
    else changed.set(name, value);
  }
  return `?${changed}`;
}
