import assert from "node:assert/strict";
import { test } from "node:test";
import { testDatabase } from "../support/database.ts";
import { eventually } from "../support/deadline.ts";
import { blocksOf, INVITATION } from "./guide.ts";
import { type Hosts, hosts } from "./hosts.ts";

const ADDRESSES = {
  hub: "192.0.2.10",
  n1: "192.0.2.21",
  n2: "192.0.2.22",
  ada: "192.0.2.31",
  eve: "192.0.2.32",
};

/** What differs here from what the guide's readers have: the database, and slivers that are simulated. */
function environment(database: string): (name: string) => Record<string, string> {
  const here: Readonly<Record<string, Record<string, string>>> = {
    hub: { DATABASE_URL: database },
    n1: { SLICELAB_NODE_MANAGER_ENGINES: "simulated" },
    n2: { SLICELAB_NODE_MANAGER_ENGINES: "simulated" },
  };
  return (name) => here[name] ?? {};
}

test("whoever types what the operator's guide says has a consortium, a researcher and a running slice", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("makes hosts of namespaces, which needs root");
  await using database = await testDatabase();
  await using network = await hosts(ADDRESSES, environment(database.url));
  const blocks = await blocksOf("operating.md");
  const everywhere = blocks.filter(({ host }) => host === "every").flatMap(({ commands }) => commands);
  for (const name of Object.keys(ADDRESSES)) await network.at(name).run(everywhere.join("\n"));
  const printed: string[] = [];
  const said = new Map<string, string>();
  for (const { host, commands } of blocks) {
    if (host === "every") continue;
    for (const command of commands) said.set(command, await typed(network, host, command, printed));
  }
  assert.deepEqual(printed, [], "every invitation was used");
  const status = said.get("slice status hello") ?? "";
  for (const ip of [ADDRESSES.n1, ADDRESSES.n2]) assert.match(status, new RegExp(`${ip} .*running`));
});

/** What a command says that has to succeed; one that waits for others is typed again until it does. */
async function typed(network: Hosts, host: string, command: string, printed: string[]): Promise<string> {
  const whole = command.replace(INVITATION, () => printed.shift() ?? assert.fail("nothing was printed"));
  const lists = command.startsWith("slice node list");
  return await eventually(
    async () => {
      const { code, out, err } = await network.at(host).run(`cd /etc/slicelab 2>/dev/null; ${whole}`);
      if (lists && !(out.includes(ADDRESSES.n1) && out.includes(ADDRESSES.n2))) return undefined;
      assert.equal(code, 0, `${host}: ${whole}\n${err}${out}`);
      if (whole.includes("invitation create")) printed.push(out.trim());
      return out || " ";
    },
    { withinMs: lists ? 90_000 : 0, everyMs: 500, what: `${host}: ${whole}` },
  );
}
