import { type Ability, abilitiesNeeded, missingAbility } from "#shared/model/ability.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { EngineName, SliceTicket } from "#shared/model/ticket.ts";
import type { Backend } from "../backends/backend.ts";

/** An engine of a node, and how it stands with it. */
export type NodeEngine = Backend & {
  /** The node is no longer configured with it: its slivers live on, and no new ones are made. */
  readonly retired?: boolean;
  /** Why it can't be used now, as a sentence. */
  readonly trouble?: string;
};

/** The engines of a node, the one it uses unless a ticket says otherwise first, retired ones last. */
export type Engines = readonly [NodeEngine, ...NodeEngine[]];

/** Those that can make slivers now: what a node tells of itself. */
export function offered(engines: Engines): NodeEngine[] {
  return engines.filter(({ retired, trouble }) => !retired && trouble === undefined);
}

/** Which engine and which of its images a ticket gets. */
export type EngineChoice = { readonly engine: EngineName; readonly image: string };

/** As much of a ticket as decides what its sliver is made with. */
export type Wanted = Pick<SliceTicket, "engine" | "image"> &
  Partial<Pick<SliceTicket, "ports" | "administrative">>;

/**
 * Chooses for a ticket: the engine it names, or the first one that can do what it asks for. BACKEND_FAILED for an engine,
 * an ability or an image this node does not have: the ticket is good and may be redeemed once the owner has added it
 * (docs/decisions/0004).
 */
export function chooseEngine(engines: Engines, wanted: Wanted): EngineChoice {
  const usable = wanted.engine === undefined ? offered(engines) : [engineOf(engines, wanted.engine)];
  for (const one of usable.length > 0 ? usable : engines) checkOffered(one);
  const missing = missingAbility(
    usable.map(({ statement }) => statement),
    wanted,
  );
  refuseUnless(!missing, "BACKEND_FAILED", cannot(usable, missing));
  const needed = abilitiesNeeded(wanted);
  const able = usable.filter(({ statement }) => needed.every((one) => statement.abilities.includes(one)));
  const having = able.find(({ statement }) => wanted.image && statement.images.includes(wanted.image));
  const { statement } = having ?? able[0]!;
  const image = wanted.image ?? statement.defaultImage;
  refuseUnless(
    statement.images.includes(image),
    "BACKEND_FAILED",
    `the engine ${statement.engine} of this node has no image ${image}; it has ${statement.images.join(", ")}`,
  );
  return { engine: statement.engine, image };
}

function checkOffered({ statement: { engine }, retired, trouble }: NodeEngine): void {
  refuseUnless(
    !retired,
    "BACKEND_FAILED",
    `this node makes no new slivers with ${engine}; take a ticket for another engine or node`,
  );
  refuseUnless(
    trouble === undefined,
    "BACKEND_FAILED",
    `the engine ${engine} of this node does not work now (${trouble}); redeem the ticket later`,
  );
}

function cannot(engines: readonly Backend[], ability: Ability | undefined): string {
  const names = engines.map(({ statement }) => statement.engine).join(", ");
  return ability === "ports"
    ? `slivers of ${names} on this node are not reached on ports of its address; take a ticket without ports, or for another node`
    : `no sliver of ${names} on this node has the ability ${ability}; take a ticket for another engine or node`;
}

/** Also a retired one, or one in trouble: for slivers it has. */
export function engineOf(engines: Engines, name: EngineName): NodeEngine {
  const backend = engines.find((candidate) => candidate.statement.engine === name);
  if (backend) return backend;
  const has = engines.map((candidate) => candidate.statement.engine).join(", ");
  throw new Fault("BACKEND_FAILED", `this node has no engine ${name}; it has ${has}`);
}

/** Lets go of what they hold while no sliver needs it; slivers run on. */
export async function closeEngines(engines: Engines): Promise<void> {
  for (const backend of engines) await backend.close?.();
}
