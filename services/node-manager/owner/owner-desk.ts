import { loadIdentity } from "#shared/identity/identity.ts";
import { Fault, faultName } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import { silentLog } from "#shared/runtime/log.ts";
import type { XmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { checked, type Method } from "#shared/wire/xmlrpc/contract.ts";
import { decodeResponse } from "#shared/wire/xmlrpc/decode.ts";
import { encodeCall } from "#shared/wire/xmlrpc/encode.ts";
import type { NodeManagerConfig } from "../config.ts";
import { DEADLINES } from "../deadline.ts";
import { openEngines } from "../engines/engine-opening.ts";
import { closeEngines } from "../engines/engines.ts";
import { openNodeStore } from "../node-store.ts";
import { nodeTime } from "../node-time.ts";
import { SliverConditions } from "../slivers/sliver-conditions.ts";
import { type Slivers, slivers } from "../slivers/slivers.ts";
import { FlowRecords } from "../store/flow-records.ts";
import type { Store } from "../store.ts";
import type { OwnerDeps } from "./owner-acts.ts";
import { ownerApi } from "./owner-api.ts";
import { ownersAnswers } from "./owner-door.ts";
import { type Answers, askNode } from "./owner-socket.ts";

export type OwnerClient = XmlRpcClient<typeof ownerApi>;

/**
 * Does something as the node's owner: with the node manager that serves, through its socket; where none does, in its place,
 * on the node's store, which is then locked. Throws OperatorError where neither is possible.
 */
export async function asOwner<T>(
  config: NodeManagerConfig,
  clock: Clock,
  work: (api: OwnerClient) => Promise<T>,
): Promise<T> {
  if (await serves(config.state)) return await work(clientOf((call) => askNode(config.state, call)));
  const identity = await loadIdentity(config.identity);
  using store = await openNodeStore(config, { identity, clock, fail: rethrow });
  await using parts = new AsyncDisposableStack();
  const log = silentLog();
  const time = parts.use(nodeTime(clock, store, log));
  const needs = { config, identity, store, clock, time };
  const records = parts.use(FlowRecords.open(config.state));
  const nothing = { told: () => new Set<never>(), simulating: () => new Set<never>() };
  const flows = { records, flush: () => undefined, ...nothing };
  const deps = { store, time, flows, slivers: sliversInPlace(needs, parts) };
  return await work(clientOf(ownersAnswers({ ...deps, identity, log })));
}

/** Whether a node manager is there to be asked. */
async function serves(state: string): Promise<boolean> {
  try {
    await askNode(state, encodeCall("system.listMethods", []));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ECONNREFUSED") return false;
    throw error;
  }
}

type PlaceNeeds = Pick<OwnerDeps, "store"> & {
  readonly config: NodeManagerConfig;
  readonly identity: Awaited<ReturnType<typeof loadIdentity>>;
  readonly clock: Clock;
  readonly time: ReturnType<typeof nodeTime>;
  readonly store: Store;
};

/** Slivers are stopped and removed at once; starting one again is left to the node manager, when it serves again. */
function sliversInPlace(needs: PlaceNeeds, parts: AsyncDisposableStack): OwnerDeps["slivers"] {
  const log = silentLog();
  let opening: Promise<Slivers> | undefined;
  async function open(): Promise<Slivers> {
    const engines = await openEngines(needs.config, needs);
    parts.defer(() => closeEngines(engines));
    const nobody = () => undefined;
    const rest = { conditions: new SliverConditions(), deadlines: DEADLINES, log, onGone: nobody };
    return parts.use(slivers({ ...needs, ...rest, engines, onNews: nobody }));
  }
  const opened = () => {
    opening ??= open();
    return opening;
  };
  return {
    make: async (serial) => (await opened()).make(serial),
    remove: async (serial) => (await opened()).remove(serial),
    halt: async (serial) => (await opened()).halt(serial),
    restart: async () => undefined,
  };
}

function clientOf(answers: Answers): OwnerClient {
  const methods = Object.entries(ownerApi).map(([name, method]) => [
    name,
    (params?: object) => call(answers, name, method, params),
  ]);
  return Object.fromEntries(methods) as OwnerClient;
}

async function call(answers: Answers, name: string, method: Method, params?: object): Promise<unknown> {
  const response = decodeResponse(await answers(encodeCall(name, params ? [params] : [])));
  if ("value" in response) return checked(method.result, response.value, name);
  const { code, text } = response.fault;
  const fault = faultName(code) ?? "BACKEND_FAILED";
  throw new Fault(fault, text.replace(`${fault}: `, ""));
}

function rethrow(error: unknown): never {
  throw error;
}
