import { type Postgres, startPostgres } from "../postgres/postgres.ts";

const NAME = "PostgreSQL";

/** The PostgreSQL of a testbed, which can be started again, on the same data and URL, after somebody killed it. */
export class DatabasePart implements AsyncDisposable {
  readonly #dir: string;
  #postgres: Postgres;
  /** Whether it has ended without being asked to. */
  #dead = false;
  #disposed = false;
  #reviving: Promise<string[]> | undefined;
  #tell: ((name: string, how: string) => void) | undefined;

  private constructor(dir: string, postgres: Postgres) {
    this.#dir = dir;
    this.#postgres = postgres;
    this.#watch();
  }

  static async start(dir: string): Promise<DatabasePart> {
    return new DatabasePart(dir, await startPostgres(dir));
  }

  get pid(): number {
    return this.#postgres.pid;
  }

  createDatabase(name: string): Promise<string> {
    return this.#postgres.createDatabase(name);
  }

  /** From now on tells its name, and how its process ended, whenever it ends. */
  onEnd(tell: (name: string, how: string) => void): void {
    this.#tell = tell;
  }

  #watch(): void {
    void this.#postgres.ended.then(() => {
      if (this.#disposed) return;
      this.#dead = true;
      this.#tell?.(NAME, "nobody asked it to");
    });
  }

  /** Starts it again if it has ended, and gives its name if it had. Asked twice, it is started once. */
  revive(): Promise<string[]> {
    this.#reviving ??= this.#revived().finally(() => {
      this.#reviving = undefined;
    });
    return this.#reviving;
  }

  async #revived(): Promise<string[]> {
    if (!this.#dead) return [];
    await this.#postgres[Symbol.asyncDispose](); // frees its lock and its socket
    this.#postgres = await startPostgres(this.#dir);
    this.#dead = false;
    this.#watch();
    return [NAME];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reviving?.catch(() => undefined); // whoever asked for it learns of it
    this.#disposed = true;
    await this.#postgres[Symbol.asyncDispose]();
  }
}
