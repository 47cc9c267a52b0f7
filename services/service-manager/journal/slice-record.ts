import type { Ask } from "#services/broker/acquisition/ask.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import type { Program } from "#shared/model/slice-description.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";

/** Where a node is reached, as its agent advertised it. Only the identity is trusted: the key is pinned to it. */
export type NodeAddress = {
  readonly node: string;
  readonly ip: string;
  readonly sslport: number;
  readonly site: string;
  /** The agent its ticket comes from, by its identity where that was known, else by its URL. */
  readonly agent: string;
};

/** Why a node has not done what was asked of it, when that was last tried. */
export type Trouble = {
  readonly node: string;
  /** A fault's name, or TIMEOUT, UNREACHABLE, BAD_ANSWER for what no node would say of itself. */
  readonly name: string;
  readonly sentence: string;
  readonly at: Instant;
};

/** A file of the program, kept in the journal under the SHA-256 of its contents. */
export type KeptFile = { readonly path: string; readonly mode: number; readonly sha256: string };

/** What a program runs, whatever its files are. */
export type ProgramCommand = Omit<Program, "files">;

/** What the owner of a slice said of programs with `slice launch` or `slice stop`. */
export type KeptProgram = {
  readonly name: string;
  /** Absent: nothing is to run under this name, not even what the description says. */
  readonly run?: ProgramCommand;
  readonly files: readonly KeptFile[];
  readonly at: Instant;
  /** Only there, or on those that stand in for them. Absent: wherever nothing else was said of a node itself. */
  readonly nodes?: readonly string[];
  /** Nodes that the slice had then and that were not meant. */
  readonly others: readonly string[];
  /** Where it is not known to have come yet. */
  readonly owed: readonly string[];
};

/** An ask for tickets that was not answered yet, as far as anybody knows. */
export type OpenAsk = Ask & { readonly purpose: "slivers" | "renewal" };

/** A request that was signed for a broker: what it brings is not known for certain while it stands here. */
export type OpenRequest = {
  /** The signed document. */
  readonly text: string;
  readonly id: DocumentId;
  /** Where its broker answers. */
  readonly broker: string;
  /** The agents at which it may still bring something, as they are called here. */
  readonly agents: readonly string[];
  /** Nodes the slice had, and others that are out of the question: told to the broker beside the request. */
  readonly holds: readonly string[];
  readonly avoid: readonly string[];
  readonly wanted: number;
  readonly standby: number;
  readonly validTo: Instant;
};

/** A lease that another node has replaced: ended when its node answers, forgotten once nothing can live on it. */
export type AbandonedLease = {
  readonly node: string;
  readonly serial: string;
  readonly renewableUntil: Instant;
};

/**
 * slices/NAME/slice.json: what its owner intends and what has been asked for, written before anything is asked. What
 * came of it lies beside it, one file a ticket and one a lease, so that progress on one node rewrites nothing else.
 */
export type SliceRecord = {
  readonly version: 1;
  readonly name: string;
  /** `deleting`: nothing but its deletion can be done with it any more. */
  readonly phase: "creating" | "created" | "deleting";
  /** The key that its tickets name. Only it can go on. */
  readonly principal: string;
  readonly createdAt: Instant;
  /** Begins the request ids of everything asked for this slice. */
  readonly requestId: string;
  readonly asksMade: number;
  readonly asks: readonly OpenAsk[];
  /** SHA-256 of description.xml and of the program's files: tells a rerun from another slice of the same name. */
  readonly intent: string;
  readonly files: readonly KeptFile[];
  /** How many slivers are wanted, and with how few it does. */
  readonly count: number;
  readonly atleast: number;
  /** Every node a ticket was asked for, and not given up. */
  readonly nodes: readonly NodeAddress[];
  /** Ticket keys of agents (SubjectPublicKeyInfo, base64), by which tickets in the journal are verified again. */
  readonly ticketKeys: readonly string[];
  /** Tickets that are to be given back, not redeemed. */
  readonly unwanted: readonly DocumentId[];
  /** SSH keys let in besides the slice's own: type and base64. */
  readonly keys: readonly string[];
  readonly troubles: readonly Trouble[];
  /** Records of slices that never lost a node lack it. */
  readonly abandoned?: readonly AbandonedLease[];
  /** While a repair has not come to its end: nodes that had their program when it began. */
  readonly repairing?: readonly string[];
  /** Programs besides, or instead of, the description's; records of slices without any lack it. */
  readonly programs?: readonly KeptProgram[];
  /** Records of slices that never had a broker lack it. */
  readonly requests?: readonly OpenRequest[];
};

const LISTS = ["asks", "files", "nodes", "ticketKeys", "unwanted", "keys", "troubles"] as const;
const OPTIONAL_LISTS = ["abandoned", "repairing", "programs", "requests"] as const;
const TEXTS = ["principal", "requestId", "intent"] as const;
const NUMBERS = ["createdAt", "asksMade", "count", "atleast"] as const;

export function writeRecord(record: SliceRecord): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

/** Reads a record this program wrote. Throws OperatorError for any other text: it is never taken for an empty one. */
export function readRecord(text: string, name: string): SliceRecord {
  const record = parseJson(text, name) as SliceRecord | null;
  const sound =
    typeof record === "object" &&
    record !== null &&
    record.version === 1 &&
    record.name === name &&
    ["creating", "created", "deleting"].includes(record.phase) &&
    LISTS.every((member) => Array.isArray(record[member])) &&
    OPTIONAL_LISTS.every((member) => record[member] === undefined || Array.isArray(record[member])) &&
    TEXTS.every((member) => typeof record[member] === "string") &&
    NUMBERS.every((member) => Number.isSafeInteger(record[member]));
  if (!sound) throw unreadable(name);
  return record;
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unreadable(name, cause);
  }
}

function unreadable(name: string, cause?: unknown): OperatorError {
  return new OperatorError(
    `the record of slice ${name} (slice.json) is damaged or of another version; put it back from a copy, or delete the slice's leases on its nodes by hand`,
    { cause },
  );
}

/** The node a ticket or lease of this slice is for. Throws BAD_CHAIN when it was never asked for. */
export function addressOf(record: SliceRecord, node: string): NodeAddress {
  const address = record.nodes.find((n) => n.node === node);
  if (!address) throw new Fault("BAD_CHAIN", `node ${node.slice(0, 12)}… is none that this slice asked for`);
  return address;
}
