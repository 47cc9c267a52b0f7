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

export function principalPath(name: string): string {
  return `/principals/${pathPart(name)}`;
}

export function ticketPath(id: string): string {
  return `/tickets/${pathPart(id)}`;
}

export function holdingPath(id: string): string {
  return `/holdings/${pathPart(id)}`;
}
