/** A text that differs from another in one byte, and where. */
export type Alteration = { readonly text: string; readonly what: string };

/** What a byte is altered to: its neighbour, its letter's other case, an A. */
export const WAYS = ["neighbour", "case", "A"] as const;
type Way = (typeof WAYS)[number];

const OTHERS: Readonly<Record<Way, (code: number) => number>> = {
  neighbour: (code) => code ^ 1,
  case: (code) => code ^ 0x20,
  A: (code) => (code === 0x41 ? 0x42 : 0x41),
};

/**
 * A text with one byte altered, for every `every`th byte counted from `from`, in one way or in all in turn. Never to
 * what XML cannot carry, nor to a carriage return, which XML reads as a line's end.
 */
export function* alterations(
  text: string,
  { every = 1, from = 0, way }: { every?: number; from?: number; way?: Way } = {},
): Generator<Alteration> {
  for (let at = from; at < text.length; at += every) {
    const other = OTHERS[way ?? WAYS[at % WAYS.length]!](text.charCodeAt(at));
    const character = String.fromCharCode(other < 0x20 || other > 0x7e ? 0x20 : other);
    if (character === text[at]) continue;
    const what = `byte ${at}: ${JSON.stringify(text[at])} became ${JSON.stringify(character)}`;
    yield { text: text.slice(0, at) + character + text.slice(at + 1), what };
  }
}
