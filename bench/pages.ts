import { once } from "node:events";
import { type ClientRequest, get, type IncomingMessage } from "node:http";
import { benchAgent } from "./agent-lab.ts";
import { median, timed } from "./timing.ts";

/**
 * How long an agent's pages of a thousand nodes take, with nobody looking on and with as many as may, who watch the
 * overview (all of them the same, then each a page of its own), and how long its event loop is held meanwhile. Beside
 * them stands `/health`, which does nothing: what a request costs.
 */
const NODES = 1000;
const ROUNDS = 15;
const PAGES = [
  "/health",
  "/",
  "/nodes",
  "/nodes?nodes.sort=-load",
  "/history",
  "/index.json",
  "/openapi.json",
];
const [WATCHERS, OF_ADDRESS] = [64, 16];

await using agent = await benchAgent(NODES, { share: { slivers: 8 } });
const { httpport } = await agent.client.getconfig();
const web = `http://127.0.0.1:${httpport}`;

const alone = await measured("nobody looks on");
const together = await watching(
  () => "/",
  () => measured(`${WATCHERS} look at the overview`),
);
const apart = await watching(
  (at) => `/nodes?nodes.page=${at + 1}`,
  () => measured(`${WATCHERS} look at pages of their own`),
);

console.log(`\n| | ${PAGES.map((page) => `\`${page}\``).join(" | ")} | loop held p99 | at most |`);
console.log(`|---|${PAGES.map(() => "---|").join("")}---|---|`);
for (const { what, times, held } of [alone, together, apart]) {
  const cells = [
    ...times.map((some) => `${ms(median(some))} (${ms(Math.min(...some))}–${ms(Math.max(...some))})`),
  ];
  console.log(`| ${what} | ${cells.join(" | ")} | ${ms(held.p99)} | ${ms(held.max)} |`);
}

function ms(milliseconds: number): string {
  return milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0);
}

/** Pages by turns, so that whatever else goes on is the same for all. */
async function measured(what: string) {
  const times = PAGES.map((): number[] => []);
  for (const page of PAGES) await (await fetch(web + page)).text();
  await agent.held();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [at, page] of PAGES.entries()) {
      times[at]!.push(await timed(async () => (await fetch(web + page)).text()));
    }
  }
  return { what, times, held: await agent.held() };
}

/** Does something while so many look on. From several addresses, since each may have only some. */
async function watching<T>(page: (at: number) => string, work: () => Promise<T>): Promise<T> {
  let bytes = 0;
  const watchers = await Promise.all(
    Array.from({ length: WATCHERS }, async (_, at): Promise<ClientRequest> => {
      const localAddress = `127.0.0.${2 + Math.floor(at / OF_ADDRESS)}`;
      const asked = get(`${web}/events?page=${encodeURIComponent(page(at))}`, { localAddress });
      const [answer] = (await once(asked, "response")) as [IncomingMessage];
      if (answer.statusCode !== 200) throw new Error(`a watcher was answered ${answer.statusCode}`);
      answer.on("data", (some: Buffer) => {
        bytes += some.length;
      });
      return asked;
    }),
  );
  const begun = performance.now();
  const result = await work();
  const seconds = (performance.now() - begun) / 1000;
  console.log(`${(bytes / 1024 / seconds).toFixed(0)} KiB/s to ${WATCHERS} watchers`);
  for (const watcher of watchers) watcher.on("error", () => undefined).destroy();
  return result;
}
