/** Something that is so for a while and is worth saying once. */
export type Notice = { readonly about: string; readonly sentence: string };

/** What was said of things that last, so that each is said when it begins or changes, and not at every look. */
export class Notices<N extends Notice> {
  #said = new Map<string, N>();

  /** Of everything that is so now, what was not said yet; and what is so no more. */
  news(now: readonly N[]): { readonly begun: N[]; readonly over: N[] } {
    const before = this.#said;
    this.#said = new Map(now.map((notice) => [notice.about, notice]));
    return {
      begun: now.filter(({ about, sentence }) => before.get(about)?.sentence !== sentence),
      over: [...before.values()].filter(({ about }) => !this.#said.has(about)),
    };
  }
}
