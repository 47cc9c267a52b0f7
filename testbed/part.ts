import { type ServiceCommand, ServiceProcess } from "./service-process.ts";

/** A service of the testbed that can be started again after somebody killed it. */
export class Part implements AsyncDisposable {
  readonly #command: ServiceCommand;
  #process: ServiceProcess;

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

  /** Starts the service again if it has ended, and gives its name if it had. */
  async revive(): Promise<string[]> {
    if (this.#process.alive) return [];
    this.#process = await ServiceProcess.start(this.#command);
    return [this.#command.name];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}
