import type { Page } from "./page.ts";
import type { Audience, Viewer } from "./viewer.ts";

/** A page at a path; `/nodes/:node` stands for one of each node. Undefined where there is no such thing. */
export type Route = {
  readonly path: string;
  readonly page: (
    parameters: Readonly<Record<string, string>>,
    viewer: Viewer,
  ) => Promise<Page | undefined> | Page | undefined;
  /** For a path with parameters, some that there is such a page for now: to describe it by. */
  readonly example?: (viewer: Viewer) => Promise<Readonly<Record<string, string>> | undefined>;
  /** What the navigation calls it, if it is there. */
  readonly link?: string;
  /** Whom it is for; absent: everybody. What is for fewer is not there at all without TLS. */
  readonly audience?: Audience;
};

/** The route of a path, and what stands in the place of its parameters. */
export function routeOf(
  routes: readonly Route[],
  path: string,
): { readonly route: Route; readonly parameters: Readonly<Record<string, string>> } | undefined {
  for (const route of routes) {
    const parameters = parametersOf(route.path.split("/"), path.split("/"));
    if (parameters) return { route, parameters };
  }
  return undefined;
}

function parametersOf(
  pattern: readonly string[],
  path: readonly string[],
): Record<string, string> | undefined {
  if (pattern.length !== path.length) return undefined;
  const found: Record<string, string> = {};
  for (const [at, part] of pattern.entries()) {
    const there = path[at]!;
    if (part.startsWith(":") && there !== "") {
      const name = decoded(there);
      if (name === undefined) return undefined;
      found[part.slice(1)] = name;
    } else if (part !== there) return undefined;
  }
  return found;
}

/** Undefined where it is no text: `%ff`. */
function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
