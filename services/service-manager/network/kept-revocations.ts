import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import pLimit from "p-limit";
import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import { readIfPresent, writeDurably } from "#shared/runtime/durable-file.ts";
import { claimedList, type HeldList, openRevocations } from "#shared/wire/revocation-document.ts";
import { RevocationLists } from "#shared/wire/revocation-lists.ts";

/** When agents were last asked, and when one last answered. */
export type Asked = { readonly tried: Instant; readonly answered: Instant };

/**
 * What the authorities have revoked, as a home remembers it: the latest list of each in a file of its own, as it was signed,
 * and verified whenever it is read. What is missing or damaged is as if nobody had said it yet.
 */
export class KeptRevocations {
  readonly #directory: string;
  readonly #authorities: readonly PublicKey[];
  readonly #lists = new RevocationLists();
  readonly #oneByOne = pLimit(1);

  private constructor(home: string, authorities: readonly PublicKey[]) {
    this.#directory = join(home, "revocations");
    this.#authorities = authorities;
  }

  static async open(home: string, authorities: readonly PublicKey[]): Promise<KeptRevocations> {
    const kept = new KeptRevocations(home, authorities);
    await Promise.all(authorities.map(async (authority) => await kept.#read(authority)));
    return kept;
  }

  /** Whether an authority has revoked this key: asked before anything is said to a server. */
  readonly isRevoked = (key: KeyName): boolean => this.#lists.isRevoked(key);

  /** The lists by their identities, so that they are not sent again. */
  get held(): string[] {
    return this.#lists.all.map(({ id }) => id);
  }

  /** Lists whose next ones are missing, as whoever runs a command is told of it. */
  concerns(now: Instant): string[] {
    return this.#lists.concerns(now);
  }

  /** Goes by a list from now on, if an authority signed it and it is news. Throws what is wrong with one that is not. */
  async take(document: string): Promise<void> {
    const authority = this.#authorities.find(({ name }) => name === claimedList(document).signer);
    if (!authority) return;
    const held = openRevocations(document, authority, "authority");
    if (!this.#lists.isNews(held)) return;
    this.#lists.put(held);
    await this.#oneByOne(() => this.#keep(authority, held));
  }

  /** Several agents answer at once, and other commands keep lists in the same home: none that was replaced is written. */
  async #keep(authority: PublicKey, held: HeldList): Promise<void> {
    await this.#read(authority);
    if (this.#lists.of(authority.name)?.id !== held.id) return;
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await writeDurably(this.#file(authority), held.document);
  }

  async asked(): Promise<Asked | undefined> {
    const text = (await readIfPresent(this.#askedFile))?.toString("utf8");
    const [tried, answered] = (text?.split(" ") ?? []).map(Number);
    return Number.isInteger(tried) && Number.isInteger(answered)
      ? { tried: tried!, answered: answered! }
      : undefined;
  }

  async noteAsked({ tried, answered }: Asked): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await writeDurably(this.#askedFile, `${tried} ${answered}`);
  }

  async #read(authority: PublicKey): Promise<void> {
    const text = (await readIfPresent(this.#file(authority)))?.toString("utf8");
    try {
      if (text !== undefined) this.#lists.put(openRevocations(text, authority, "authority"));
    } catch (error) {
      if (!(error instanceof Fault)) throw error; // damaged: it is asked for, and written, anew
    }
  }

  #file({ name }: PublicKey): string {
    return join(this.#directory, `${name}.xml`);
  }

  get #askedFile(): string {
    return join(this.#directory, "asked");
  }
}
