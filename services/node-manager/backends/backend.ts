import type { Duplex, Readable, Writable } from "node:stream";
import type { Ability } from "#shared/model/ability.ts";
import type { Capability } from "#shared/model/capability.ts";
import type { PortRange } from "#shared/model/ports.ts";
import type { Ceilings, Resources } from "#shared/model/resources.ts";

/** Names one sliver on one node for ever: 16 lower-case hex digits, never used again. */
export type SliverId = string;

/** The engines a ticket may name. */
export type Engine = "simulated" | "container" | "microvm" | "docker";

/** Everything an engine needs to make a sliver. Two calls with the same id always carry the same plan. */
export type SliverPlan = {
  readonly id: SliverId;
  /** The slice's name: also the host name inside the sliver. */
  readonly slice: string;
  readonly resources: Resources;
  readonly ceilings: Ceilings;
  /** A reference image this engine lists; its default one when absent. */
  readonly image?: string;
  /** Ports of the node's address that reach the same port inside. None when absent. */
  readonly ports?: readonly PortRange[];
  /** Present: an administrative sliver (paper §4.3), which sees the whole node and has these capabilities besides. */
  readonly administrative?: readonly Capability[];
};

/** What an engine says of a sliver it holds. `stopped`: its disk is there, its processes are not. */
export type SliverState = "running" | "stopped";

export type SliverFact = { readonly id: SliverId; readonly state: SliverState };

/** One command run in a sliver. `argv` is given to exec, never to a shell of the host. */
export type Command = {
  readonly argv: readonly string[];
  /** Instead of `argv` where the image has no shell; `argv` itself unless said otherwise. */
  readonly withoutShell?: readonly string[] | "impossible";
  /** What it is called before people, where `argv` says more than they asked for. */
  readonly title?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** By default the user's home. */
  readonly workingDirectory?: string;
  /**
   * Who runs it: the login user, named like the slice, with HOME, USER, LOGNAME and SHELL as its account says, or root
   * inside. Root when absent.
   */
  readonly user?: "login" | "root";
  /** Present: it runs on a terminal of its own, and `stderr` stays empty. */
  readonly terminal?: Terminal;
};

/** A terminal as an ssh client asks for one (RFC 4254 §6.2). Sizes in characters. */
export type Terminal = { readonly type: string; readonly columns: number; readonly rows: number };

/** A command that is running in a sliver. */
export interface RunningCommand {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /**
   * Settles when the command has ended and both of its outputs were read to their end: nothing is ever lost, so read
   * them (`resume()` to throw them away). `code` is 128 + n for a signal n, 127 for a command that could not start.
   */
  readonly exit: Promise<{ code: number; signal?: string }>;
  /**
   * Ends the command and everything it started, if the engine can. SIGHUP says that nobody listens any more: a command
   * that ignores it goes on inside, without its input and outputs, and `exit` settles nevertheless.
   */
  kill(signal?: NodeJS.Signals): void;
  /** Tells the command that its terminal has another size. Without a terminal: nothing. */
  resize?(columns: number, rows: number): void;
}

/** A port on which programs in a sliver are listened to, on the sliver's own loopback. */
export type ListeningPort = {
  readonly port: number;
  /** To be called once: told of every connection, and where in the sliver it comes from. */
  onConnection(take: (socket: Duplex, from: { address: string; port: number }) => void): void;
  close(): void;
  /** Settles when nobody is listened to any more, because of `close` or because the sliver has ended. */
  readonly closed: Promise<void>;
};

/** What a sliver uses now. Counters run from the sliver's (last) start. */
export type Usage = {
  readonly cpuMicroseconds: number;
  readonly memoryBytes: number;
  readonly processes: number;
  readonly diskBytes: number;
  /** Processes that the kernel has ended since the start for want of memory. Absent where the engine does not count them. */
  readonly memoryKills?: number;
  /** What went over the sliver's link. Absent where the engine does not count it. */
  readonly network?: NetworkUsage;
};

/** Counters since the sliver's (last) start. `alarming`: packets of the classes that are limited (paper §3.3). */
export type NetworkUsage = {
  readonly sent: Traffic;
  readonly received: Traffic;
  readonly alarming: Traffic;
};

export type Traffic = { readonly bytes: number; readonly packets: number };

/** What an engine can do; shown in advertisements and on pages. */
export type EngineStatement = {
  readonly engine: Engine;
  /** True when nothing real is made: the engine then says so wherever its output is seen. */
  readonly simulated: boolean;
  readonly images: readonly string[];
  readonly defaultImage: string;
  /** Digests of the images that have one, by their names: what slivers made now begin with. */
  readonly imageDigests?: Readonly<Record<string, string>>;
  readonly abilities: readonly Ability[];
  /** What whoever runs the node should know of this engine on this machine, as sentences. */
  readonly notes?: readonly string[];
};

/**
 * The protection interface of the paper (§2.1): the level at which slivers are kept apart and given resources.
 * Everything an engine makes on the machine carries the node's short id, and it only ever sees and removes its own.
 * One contract suite (`test/contract/backend.ts`) holds for every engine.
 *
 * Failures are `Fault("BACKEND_FAILED", …)`; an id that is not there is `Fault("NO_SLICE", …)` in `exec` and `usage`.
 */
export interface Backend {
  readonly statement: EngineStatement;
  /** Makes the sliver, or starts it again on its own disk, or does nothing if it runs. Twice is once. */
  ensure(plan: SliverPlan): Promise<void>;
  /** Ends the sliver's processes and keeps its disk. Of an unknown or stopped one: nothing. */
  stop(id: SliverId): Promise<void>;
  /** Ends the sliver and everything made for it, half-made ones too. Twice is once. */
  remove(id: SliverId): Promise<void>;
  /** Every sliver, running or not, half-made ones included, that this node's engine has on this machine. */
  list(): Promise<SliverFact[]>;
  /**
   * Slivers that ran when the engine last saw them and have ended by themselves since, each told once. Asked every second
   * and so cheap that it may miss some, which `list` then shows. Absent: the engine notices nothing by itself.
   */
  ended?(): readonly SliverId[];
  exec(id: SliverId, command: Command): Promise<RunningCommand>;
  /**
   * Opens a TCP connection as a program inside would, in the sliver's network and no other. Names are resolved as the
   * node tells the sliver to. BACKEND_FAILED when nobody answers there. Absent: the engine can't.
   */
  connect?(id: SliverId, host: string, port: number): Promise<Duplex>;
  /** Listens on a port of the sliver's loopback; 0 is any free one. Absent: the engine can't. */
  listen?(id: SliverId, port: number): Promise<ListeningPort>;
  /** `withoutDisk`: who asks often does not want the disk measured; its bytes may then be 0. */
  usage(id: SliverId, options?: { readonly withoutDisk?: boolean }): Promise<Usage>;
  /**
   * Which addresses of the node's own network slivers have now: for telling their connections apart in the kernel's table.
   * Asked every second. Absent, or undefined: its slivers' connections can't be told apart there.
   */
  addresses?(): ReadonlyMap<string, SliverId> | undefined;
  /**
   * Lets go of what the engine holds on the machine for slivers in general and none needs now: to be called when a node
   * manager ends. Slivers run on; the engine may be used again. Absent: it holds nothing.
   */
  close?(): Promise<void>;
}
