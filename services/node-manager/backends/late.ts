import type { Duplex } from "node:stream";
import { Fault } from "#shared/model/errors.ts";
import type {
  Backend,
  Command,
  Engine,
  EngineStatement,
  ListeningPort,
  RunningCommand,
  SliverFact,
  SliverId,
  SliverPlan,
  Usage,
} from "./backend.ts";

/** Told when an engine begins to fail, with why, and when it works again. */
export type OnTrouble = (engine: Engine, trouble: string | undefined) => void;

type LateOptions = {
  readonly engine: Engine;
  /** Opens the engine itself; asked again until it succeeds once. */
  readonly open: () => Promise<Backend>;
  /** The engine is open for the slivers it has, and gets no new ones. */
  readonly retired?: boolean;
  readonly onTrouble?: OnTrouble;
};

/**
 * An engine that need not work yet when the node manager starts (its daemon is down, a package is missing): until it
 * does, everything asked of it is refused with why, and every `list` tries to open it once more.
 */
export class LateBackend implements Backend {
  readonly retired: boolean;
  readonly #options: LateOptions;
  #opened: Backend | undefined;
  #opening: Promise<Backend> | undefined;
  #failure: Fault | undefined;

  constructor(options: LateOptions) {
    this.#options = options;
    this.retired = options.retired ?? false;
  }

  /** Can nothing before it is open. */
  get statement(): EngineStatement {
    const { engine } = this.#options;
    return this.#opened?.statement ?? { ...{ engine, simulated: false, images: [] }, ...NOTHING_YET };
  }

  /** Why it can't be used now, as a sentence. */
  get trouble(): string | undefined {
    return this.#failure?.sentence;
  }

  async list(): Promise<SliverFact[]> {
    try {
      const facts = await (await this.open()).list();
      this.#stand(undefined);
      return facts;
    } catch (error) {
      this.#stand(faultOf(error));
      throw error;
    }
  }

  /** Opens it if it is not open; those who ask while it is being opened wait for the same attempt. */
  async open(): Promise<Backend> {
    if (this.#opened) return this.#opened;
    this.#opening ??= this.#options.open().finally(() => {
      this.#opening = undefined;
    });
    try {
      this.#opened = await this.#opening;
      this.#stand(undefined);
      return this.#opened;
    } catch (error) {
      this.#stand(faultOf(error));
      throw error;
    }
  }

  async ensure(plan: SliverPlan): Promise<void> {
    await this.#now().ensure(plan);
  }

  async stop(id: SliverId): Promise<void> {
    await this.#now().stop(id);
  }

  async remove(id: SliverId): Promise<void> {
    await this.#now().remove(id);
  }

  ended(): readonly SliverId[] {
    return this.#opened?.ended?.() ?? [];
  }

  addresses(): ReadonlyMap<string, SliverId> | undefined {
    return this.#opened?.addresses?.();
  }

  async exec(id: SliverId, command: Command): Promise<RunningCommand> {
    return await this.#now().exec(id, command);
  }

  async usage(id: SliverId, options?: Parameters<Backend["usage"]>[1]): Promise<Usage> {
    return await this.#now().usage(id, options);
  }

  async close(): Promise<void> {
    await this.#opened?.close?.();
  }

  get connect(): ((id: SliverId, host: string, port: number) => Promise<Duplex>) | undefined {
    const opened = this.#opened;
    return opened?.connect && ((id, host, port) => opened.connect!(id, host, port));
  }

  get listen(): ((id: SliverId, port: number) => Promise<ListeningPort>) | undefined {
    const opened = this.#opened;
    return opened?.listen && ((id, port) => opened.listen!(id, port));
  }

  #now(): Backend {
    if (this.#opened) return this.#opened;
    const { engine } = this.#options;
    throw this.#failure ?? new Fault("BACKEND_FAILED", `the engine ${engine} is not open yet; try again`);
  }

  #stand(failure: Fault | undefined): void {
    const before = this.trouble;
    this.#failure = failure;
    if (before !== this.trouble) this.#options.onTrouble?.(this.#options.engine, this.trouble);
  }
}

const NOTHING_YET = { defaultImage: "", abilities: [] } as const;

/** What is no fault is a lack of the machine's: a file that can't be made, a program that is not there. */
function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error;
  return new Fault("BACKEND_FAILED", "the engine can't be used on this machine; the node's log says why", {
    cause: error,
  });
}
