import { Fault } from "#shared/model/errors.ts";
import type { SliverFact, SliverId } from "../backend.ts";
import type { ImageProgram } from "../images/image-program.ts";
import { START_PROGRAMS } from "../programs/sliver-programs.ts";
import type { Daemon } from "./daemon.ts";
import { signalGroup } from "./execution.ts";
import { LinkLocalGuard } from "./link-local.ts";
import { sendArchive } from "./reference-image.ts";
import {
  bridgeName,
  type ContainerFacts,
  type ContainerNeeds,
  containerName,
  LABELS,
  loginIn,
  networkName,
  programIn,
  sliverContainer,
} from "./sliver-container.ts";

type Listed = Pick<ContainerFacts, "NetworkSettings"> & {
  readonly State: string;
  readonly Labels: Readonly<Record<string, string>>;
};
type ExecOrigin = {
  readonly Running: boolean;
  readonly Pid: number;
  readonly ProcessConfig: { readonly tty: boolean };
};

/** The containers of one node's slivers, and the network they leave the machine by. */
export class Containers {
  readonly #daemon: Daemon;
  readonly #node: string;
  #addresses = new Map<string, SliverId>();

  readonly #guard: LinkLocalGuard | undefined;

  /** `guards`: link-local addresses can be kept from slivers here. */
  constructor(daemon: Daemon, node: string, guards: boolean) {
    this.#daemon = daemon;
    this.#node = node;
    this.#guard = guards ? new LinkLocalGuard(node, bridgeName(node)) : undefined;
  }

  async list(): Promise<SliverFact[]> {
    const listed = await this.#daemon.ask<Listed[]>({
      purpose: "list its slivers",
      path: "/containers/json",
      query: { all: "1", filters: JSON.stringify({ label: [`${LABELS.node}=${this.#node}`] }) },
    });
    this.#addresses = new Map();
    return listed.flatMap(({ State, Labels, NetworkSettings }) => {
      const id = Labels[LABELS.sliver];
      if (id !== undefined) this.#note(id, NetworkSettings);
      return id === undefined ? [] : [{ id, state: State === "running" ? "running" : "stopped" } as const];
    });
  }

  async facts(id: SliverId, query?: { size: "1" }): Promise<ContainerFacts | undefined> {
    const call = { purpose: "look at a sliver", path: `${this.#path(id)}/json`, query };
    const facts = await this.#daemon.find<ContainerFacts>(call);
    if (facts) this.#note(id, facts.NetworkSettings);
    return facts;
  }

  /** Which sliver has which address of the node's network, as far as the daemon has said. */
  addresses(): ReadonlyMap<string, SliverId> {
    return this.#addresses;
  }

  #note(id: SliverId, { Networks }: ContainerFacts["NetworkSettings"]): void {
    const address = Networks[networkName(this.#node)]?.IPAddress;
    if (address) this.#addresses.set(address, id);
  }

  /** With the network it will be in. */
  async create(needs: ContainerNeeds): Promise<void> {
    if (!needs.plan.administrative) await this.#ensureNetwork();
    await this.#daemon.tell({
      ...{ purpose: "make the sliver", method: "POST", path: "/containers/create" },
      query: { name: containerName(this.#node, needs.plan.id) },
      body: sliverContainer(needs),
    });
  }

  /** Lays what the directory holds over the sliver's disk. */
  async put(id: SliverId, archive: readonly string[]): Promise<void> {
    const path = `${this.#path(id)}/archive`;
    const call = { purpose: "seed the sliver", method: "PUT", path, query: { path: "/" } } as const;
    await sendArchive(call, archive, async (sent) => {
      await this.#daemon.tell(sent);
    });
  }

  async start(id: SliverId): Promise<void> {
    await this.#change(id, "start the sliver's processes", "start", [304]);
  }

  /**
   * Starts the sliver's programs, and does not wait for them: those its users left in it, and what its image says, which
   * runs by itself where there is no shell to look after it. A sliver in which they can't be started runs nevertheless:
   * its owner sees that they do not.
   */
  async startPrograms(facts: ContainerFacts, onNewDisk: boolean): Promise<void> {
    const program = programIn(facts);
    if (loginIn(facts).withoutShell) {
      if (program) await this.#launch(facts, imageCommand(program, facts));
    } else if (program || !onNewDisk) {
      await this.#launch(facts, { Cmd: START_PROGRAMS, User: "0:0", WorkingDir: "/" });
    }
  }

  /** Ends it at once; 304: it has ended already. */
  async stop(id: SliverId): Promise<void> {
    await this.#change(id, "end the sliver's processes", "stop", [304, 404], { t: "0" });
  }

  /** Returns when it is gone, also when somebody else is removing it. */
  async remove(id: SliverId): Promise<void> {
    const [purpose, path] = ["remove the sliver", this.#path(id)];
    const query = { force: "1", v: "1" };
    const status = await this.#daemon.tell({ purpose, method: "DELETE", path, query }, [404, 409]);
    if (status === 409)
      await this.#daemon.tell(
        { purpose, method: "POST", path: `${path}/wait`, query: { condition: "removed" } },
        [404],
      );
    if (await this.facts(id)) throw new Fault("BACKEND_FAILED", "the sliver is not gone yet; try again");
  }

  /**
   * Takes the node's network away with its last sliver, and sees to its rules while there is one. Nobody may be creating
   * a container meanwhile.
   */
  async tendNetwork(): Promise<void> {
    if ((await this.list()).length > 0) {
      await this.#guard?.set();
      return;
    }
    const path = `/networks/${networkName(this.#node)}`;
    await this.#daemon.tell({ purpose: "remove the slivers' network", method: "DELETE", path }, [404]);
    await this.#guard?.drop();
  }

  /** Ends terminals that lost their node manager: Docker would keep them for ever. */
  async hangUp({ ExecIDs }: ContainerFacts): Promise<void> {
    for (const id of ExecIDs ?? []) {
      const path = `/exec/${id}/json`;
      const exec = await this.#daemon.find<ExecOrigin>({ purpose: "ask for a command", path });
      if (exec?.Running && exec.ProcessConfig.tty && exec.Pid > 1) signalGroup(exec.Pid, "SIGHUP");
    }
  }

  async #launch({ Id, Config }: ContainerFacts, command: object): Promise<void> {
    const call = { purpose: "start the sliver's programs", method: "POST" } as const;
    const body = { Env: Config.Env, ...command };
    const exec = await this.#daemon.ask<{ Id: string }>({ ...call, path: `/containers/${Id}/exec`, body });
    await this.#daemon.tell(
      { ...call, path: `/exec/${exec.Id}/start`, body: { Detach: true } },
      [400, 409, 500],
    );
  }

  async #ensureNetwork(): Promise<void> {
    await this.#guard?.set();
    const Name = networkName(this.#node);
    const purpose = "make the slivers' network";
    if (await this.#daemon.find({ purpose, path: `/networks/${Name}` })) return;
    const Options = {
      "com.docker.network.bridge.name": bridgeName(this.#node),
      "com.docker.network.bridge.enable_icc": "false", // slivers are no neighbours of one another
    };
    const Labels = { [LABELS.node]: this.#node };
    const body = { Name, CheckDuplicate: true, Driver: "bridge", Options, Labels };
    await this.#daemon.tell({ purpose, method: "POST", path: "/networks/create", body }, [409]);
  }

  async #change(
    id: SliverId,
    purpose: string,
    verb: string,
    fine: readonly number[],
    query?: Readonly<Record<string, string>>,
  ): Promise<void> {
    await this.#daemon.tell({ purpose, method: "POST", path: `${this.#path(id)}/${verb}`, query }, fine);
  }

  #path(id: SliverId): string {
    return `/containers/${containerName(this.#node, id)}`;
  }
}

function imageCommand({ argv, user, workingDirectory }: ImageProgram, { Config }: ContainerFacts): object {
  const home = Config.Env.includes("HOME=/root") ? [`HOME=${user.home}`] : []; // unless the image says where
  const Env = [...Config.Env, ...home];
  return { Cmd: argv, Env, User: `${user.uid}:${user.gid}`, WorkingDir: workingDirectory };
}
