import type { AnyPorts, PortRange } from "#shared/model/ports.ts";
import { isNothing, MAX_ANY_PORTS } from "#shared/model/ports.ts";
import { UsageError } from "../terminal/exit-code.ts";

const PORT = /^(?:(tcp|udp):)?(?:(any)(?::(\d{1,2}))?|(\d{1,5})(?:-(\d{1,5}))?)$/;

/** Ports as they are said on the command line: `8080`, `udp:5000-5009`, `any` (one, of tcp), `udp:any:2`. */
export function readWishedPorts(texts: readonly string[]): { ports: PortRange[]; anyPorts?: AnyPorts } {
  const ports: PortRange[] = [];
  const anyPorts = { tcp: 0, udp: 0 };
  for (const text of texts) {
    const read = PORT.exec(text);
    if (!read) throw new UsageError(`"${text}" is no port; write 8080, udp:5000-5009, any, or tcp:any:2`);
    const [, said, any, count, from, to = from] = read;
    const protocol = said === "udp" ? "udp" : "tcp";
    if (any) anyPorts[protocol] += Number(count ?? 1);
    else ports.push(rangeOf(text, protocol, Number(from), Number(to)));
  }
  if (Math.max(anyPorts.tcp, anyPorts.udp) > MAX_ANY_PORTS)
    throw new UsageError(`at most ${MAX_ANY_PORTS} ports of a protocol are chosen for you`);
  return { ports, ...(!isNothing(anyPorts) && { anyPorts }) };
}

function rangeOf(text: string, protocol: PortRange["protocol"], from: number, to: number): PortRange {
  if (from < 1 || to < from || to > 65_535)
    throw new UsageError(`"${text}": ports run from 1 to 65535, the lower one first`);
  return { protocol, from, to };
}
