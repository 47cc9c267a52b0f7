import { type Limit, limitAt } from "#shared/model/account.ts";
import { joined, type PortRange } from "#shared/model/ports.ts";
import { SHARE_DIMENSIONS, type Share } from "#shared/model/resources.ts";
import { includes, type Term } from "#shared/model/time.ts";

/** What one grant of a line allows while it is in term. */
export type GrantLimit = Limit & { readonly ports: readonly PortRange[] };

/** What a line of grants takes from its account for a time. */
export type Piece = { readonly share: Share; readonly ports: readonly PortRange[]; readonly during: Term };

/**
 * What a grant and those it renews take together: they are one account at their node, so at each instant as much as the
 * largest of those in term, and the ports of all of them (WIRE.md §1, Accounts). Pieces follow each other in time and
 * never overlap; neighbours differ.
 */
export function piecesOf(line: readonly GrantLimit[]): Piece[] {
  const instants = [...new Set(line.flatMap(({ during }) => [during.start, during.end]))].sort(
    (a, b) => a - b,
  );
  const pieces: Piece[] = [];
  for (const [at, start] of instants.slice(0, -1).entries()) {
    const inTerm = line.filter(({ during }) => includes(during, start));
    if (inTerm.length === 0) continue;
    const piece: Piece = {
      share: limitAt(inTerm, start),
      ports: joined(inTerm.flatMap(({ ports }) => ports)),
      during: { start, end: instants[at + 1]! },
    };
    const last = pieces.at(-1);
    if (last && last.during.end === start && isSame(last, piece)) {
      pieces[pieces.length - 1] = { ...last, during: { start: last.during.start, end: piece.during.end } };
    } else {
      pieces.push(piece);
    }
  }
  return pieces;
}

function isSame(a: Piece, b: Piece): boolean {
  const text = ({ ports }: Piece) =>
    JSON.stringify(ports.map(({ protocol, from, to }) => [protocol, from, to]));
  return SHARE_DIMENSIONS.every((d) => a.share[d] === b.share[d]) && text(a) === text(b);
}
