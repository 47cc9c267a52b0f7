import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type Behaviour, flood, hostileNode, lie, refuse } from "../hostile-node.ts";
import type { SliceLabNode } from "../lab-node.ts";

/** One way to be bad. */
export type BadWay = {
  /** What the node is said to have done in the end. */
  readonly trouble: string;
  /** Makes a node that runs bad; gives back what makes it good again. */
  readonly spoil: (node: SliceLabNode, stranger: SliceLabNode) => Promise<() => Promise<void>>;
};

/** A server of ours, with the node's own key, in its place. */
function replaced(trouble: string, behaviour: Behaviour): BadWay {
  return {
    trouble,
    async spoil(node) {
      const hostile = await hostileNode(node.identity, await vacated(node));
      hostile.behaviour = (call) => {
        if (call.method === "newleasevm") behaviour(call);
        else call.response.destroy();
      };
      return async () => {
        await hostile[Symbol.asyncDispose]();
        await node.start();
      };
    },
  };
}

async function vacated(node: SliceLabNode): Promise<{ ip: string; port: number }> {
  const address = { ip: node.ip, port: Number(new URL(node.manager.url).port) };
  await node.stop();
  return address;
}

const DOWN: BadWay = {
  trouble: "UNREACHABLE",
  async spoil(node) {
    await node.stop();
    return () => node.start();
  },
};

/** Takes connections and says nothing, not even in TLS. */
const BLACK_HOLE: BadWay = {
  trouble: "TIMEOUT",
  async spoil(node) {
    const { ip, port } = await vacated(node);
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket.on("error", () => {})));
    server.listen(port, ip);
    await once(server, "listening");
    return async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
      await node.start();
    };
  },
};

/** Another node's key at its address. */
const IMPOSTOR: BadWay = {
  trouble: "WRONG_PEER",
  async spoil(node, stranger) {
    const hostile = await hostileNode(stranger.identity, await vacated(node));
    return async () => {
      await hostile[Symbol.asyncDispose]();
      await node.start();
    };
  },
};

/** The real thing, whose engine hangs; it makes the sliver when it wakes. */
const STUCK: BadWay = {
  trouble: "TIMEOUT",
  async spoil({ backend }) {
    const { promise: woken, resolve: wake } = Promise.withResolvers<void>();
    backend.beforeEnsure = () => woken;
    return async () => {
      backend.beforeEnsure = undefined;
      wake();
    };
  },
};

const drip: Behaviour = ({ response }) => {
  response.writeHead(200, { "content-type": "text/xml" });
  const text = `<?xml version="1.0"?><methodResponse>${" ".repeat(10_000)}`;
  let at = 0;
  const timer = setInterval(() => response.write(text[at++]), 100);
  response.on("close", () => clearInterval(timer));
};

const dieInMidAnswer: Behaviour = ({ response }) => {
  response.writeHead(200, { "content-type": "text/xml", "content-length": "1000" });
  response.write('<?xml version="1.0"?><methodResponse>', () => response.destroy());
};

const longer = lie(({ term }) => ({ term: { ...term, end: term.end + 1 } }));

/** Every way, in words of a node that goes it. All of them look alive to their agent. */
export const BAD_WAYS: ReadonlyMap<string, BadWay> = new Map([
  ["is down", DOWN],
  ["takes connections and says nothing", BLACK_HOLE],
  ["hangs after TLS", replaced("TIMEOUT", () => {})],
  ["hangs while it makes the sliver", STUCK],
  ["has no room", replaced("NO_CAPACITY", refuse(500, "NO_CAPACITY: whatever my agent says"))],
  ["cannot make slivers", replaced("BACKEND_FAILED", refuse(601, "BACKEND_FAILED: not today"))],
  [
    "gives a lease for another slice",
    replaced(
      "BAD_ANSWER",
      lie(() => ({ slice: "another" })),
    ),
  ],
  [
    "gives a lease for another node",
    replaced(
      "BAD_ANSWER",
      lie(() => ({ node: "0".repeat(64) })),
    ),
  ],
  ["gives a lease for too long", replaced("BAD_ANSWER", longer)],
  ["answers garbage", replaced("BAD_ANSWER", ({ response }) => response.end("<html><p>welcome</html>"))],
  ["answers without end", replaced("BAD_ANSWER", flood())],
  ["has another key", IMPOSTOR],
  ["answers a byte at a time", replaced("TIMEOUT", drip)],
  ["dies in mid-answer", replaced("BAD_ANSWER", dieInMidAnswer)],
  ["refuses with a number nobody knows", replaced("FAULT_777", refuse(777, "I made this up"))],
]);
