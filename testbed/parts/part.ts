import { type ServiceCommand, ServiceProcess } from "./service-process.ts";

/** A service of the testbed that can be started again after somebody killed it. */
export class Part implements AsyncDisposable {
  readonly #command: ServiceCommand;
  #process: ServiceProcess;
  #reviving: Promise<string[]> | undefined;
  #tell: ((name: string, how: string) => void) | undefined;

  private constructor(command: ServiceCommand, process: ServiceProcess) {
    this.#command = command;
    this.#process = process;
  }

  static async start(command: ServiceCommand): Promise<Part> {
    return new Part(command, await ServiceProcess.start(command));
  }

  get process(): ServiceProcess {
    return this.#process;
  }

  /** From now on tells the service's name, and how its process ended, whenever it ends. */
  onEnd(tell: (name: string, how: string) => void): void {
    this.#tell = tell;
    this.#watch();
  }

  #watch(): void {
    void this.#process.ended().then((how) => this.#tell?.(this.#command.name, how));
  }

  /** Starts the service again if it has ended, and gives its name if it had. Asked twice, it is started once. */
  revive(): Promise<string[]> {
    this.#reviving ??= this.#revived().finally(() => {
      this.#reviving = undefined;
    });
    return this.#reviving;
  }

  async #revived(): Promise<string[]> {
    if (this.#process.alive) return [];
    this.#process = await ServiceProcess.start(this.#command);
    this.#watch();
    return [this.#command.name];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reviving?.catch(() => undefined); // whoever asked for it learns of it
    await this.#process[Symbol.asyncDispose]();
  }
}
