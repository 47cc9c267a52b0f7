import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { EngineName } from "#shared/model/ticket.ts";
import type { Backend } from "./backends/backend.ts";

/** The engines of a node, the one it uses unless a ticket says otherwise first. */
export type Engines = readonly [Backend, ...Backend[]];

/** Which engine and which of its images a ticket gets. */
export type EngineChoice = { readonly engine: EngineName; readonly image: string };

/**
 * Chooses for a ticket. BACKEND_FAILED for an engine or image this node does not have: the ticket is good and may be
 * redeemed once the owner has added it (docs/decisions/0004).
 */
export function chooseEngine(
  engines: Engines,
  wanted: { engine?: EngineName; image?: string },
): EngineChoice {
  const { statement } = wanted.engine === undefined ? engines[0] : engineOf(engines, wanted.engine);
  const image = wanted.image ?? statement.defaultImage;
  refuseUnless(
    statement.images.includes(image),
    "BACKEND_FAILED",
    `the engine ${statement.engine} of this node has no image ${image}; it has ${statement.images.join(", ")}`,
  );
  return { engine: statement.engine, image };
}

export function engineOf(engines: Engines, name: EngineName): Backend {
  const backend = engines.find((candidate) => candidate.statement.engine === name);
  if (backend) return backend;
  const has = engines.map((candidate) => candidate.statement.engine).join(", ");
  throw new Fault("BACKEND_FAILED", `this node has no engine ${name}; it has ${has}`);
}
