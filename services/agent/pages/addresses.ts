import { pathPart } from "#shared/web/html.ts";

export function nodePath(node: string): string {
  return `/nodes/${pathPart(node)}`;
}

export function slicePath(slice: string): string {
  return `/slices/${pathPart(slice)}`;
}

export function sitePath(site: string): string {
  return `/sites/${pathPart(site)}`;
}
