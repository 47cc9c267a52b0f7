/** An address and a port as they stand in a URL: `10.0.0.1:7001`, `[::1]:7001`. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
