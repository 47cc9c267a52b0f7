/** Milliseconds that `work` takes. */
export async function timed(work: () => unknown): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}

/** Of two series taken by turns: the ratio of their medians, and the least and most of a single turn. */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): string {
  const ratios = ours.map((ms, at) => ms / theirs[at]!);
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)];
  return `${(median(ours) / median(theirs)).toFixed(2)} (${least.toFixed(2)}–${most.toFixed(2)})`;
}
