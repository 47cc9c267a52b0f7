import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CLOCK_SLACK } from "#shared/model/time.ts";
import { eventually } from "../../support/deadline.ts";
import { agentLab } from "../agent/agent-lab.ts";
import { type BrokerLab, brokerLab } from "./broker-lab.ts";
import { type OddAgent, oddAgent, roomyAd } from "./odd-agent.ts";

const FIRST = 100;
const LONGEST = 300;
const HOUR = 3600;

type Retry = { readonly failures: number; readonly wait: number; readonly reason: string };

describe("a broker that fails again and again", () => {
  const owned = new AsyncDisposableStack();
  let odd: OddAgent;
  let lab: BrokerLab;
  before(async () => {
    // Of the same authority as the lab's: it is shared by all labs of a process.
    const other = await agentLab({ nodes: 2, deposited: false });
    await other[Symbol.asyncDispose]();
    const fail = () => {
      throw new Error("inside");
    };
    const oddities = { ads: () => [roomyAd(1)], tickets: fail };
    odd = owned.use(await oddAgent(await other.authority.server("fails at tickets"), oddities));
    const config = { scan_seconds: FIRST, retry_seconds: LONGEST };
    lab = owned.use(await brokerLab({ config, others: [{ identity: odd.identity, url: odd.url }] }));
  });
  after(() => owned.disposeAsync());

  const retry = (what: string) =>
    lab.database.row<Retry>(
      "select failures, reason, extract(epoch from next_try - now())::float8 as wait from retries where what = $1",
      [what],
    );
  const due = (what: string) =>
    lab.database.run("update retries set next_try = now() where what = $1", [what]);

  async function checkWait(what: string, failures: number, wait: number): Promise<void> {
    const noted = await retry(what);
    assert.equal(noted?.failures, failures);
    assert.ok(noted.wait > wait - 30 && noted.wait <= wait, `${noted.wait} s, not ${wait}`);
  }

  test("asks an agent for what it may have granted ever later, and no more when the request is over", async () => {
    const request = lab.request({ name: "doubt", count: 2, atleast: 1 });
    const { state } = await lab.client.acquireslice({ request });
    assert.equal(state, "done");
    const ask = await lab.database.row<{ id: string }>(
      "select request_id as id from asks where state = 'doubtful'",
    );
    assert.ok(ask);
    for (const [at, wait] of [FIRST, 2 * FIRST, LONGEST, LONGEST].entries()) {
      const before = odd.asked.tickets;
      await lab.broker.scan();
      assert.equal(odd.asked.tickets, before + 1);
      await checkWait(ask.id, at + 1, wait);
      await lab.broker.scan();
      assert.equal(odd.asked.tickets, before + 1, "it is not due");
      await due(ask.id);
    }
    lab.agentLab.clock.advance(HOUR + 2 * CLOCK_SLACK + 1);
    await lab.broker.scan();
    const asked = odd.asked.tickets;
    await lab.broker.scan();
    assert.equal(odd.asked.tickets, asked);
    const left = await lab.database.rows(
      "select from asks where state = 'doubtful' union all select from retries",
    );
    assert.equal(left.length, 0);
  });

  test("puts off an acquisition it cannot work at, and ends it with the reason when its request is over", async () => {
    const validTo = lab.agentLab.clock.now() + HOUR;
    await lab.database.run(
      "create function fail() returns trigger language plpgsql as $$ begin raise 'nothing ends today'; end $$",
    );
    await lab.database.run(
      "create trigger fail before update of state on acquisitions execute function fail()",
    );
    const request = lab.request({ name: "stuck", validTo });
    const { id } = await lab.client.acquireslice({ request, wait_seconds: 0 });
    await eventually(async () => await retry(id), { what: "the failure being noted" });
    await checkWait(id, 1, FIRST);
    await lab.broker.scan();
    await due(id);
    await lab.broker.scan();
    await eventually(async () => (await retry(id))?.failures === 2, { what: "a second try" });
    await checkWait(id, 2, 2 * FIRST);
    await lab.database.run("drop trigger fail on acquisitions");

    lab.agentLab.clock.advance(HOUR + CLOCK_SLACK + 1);
    await due(id);
    await lab.broker.scan();
    const over = await eventually(async () => {
      const now = await lab.client.getacquisition({ id });
      return now.state === "failed" && now;
    });
    assert.equal(over.fault?.name, "EXPIRED");
    assert.match(
      JSON.stringify(over.fault),
      /the broker failed 2 times, last with: something failed inside it;/,
    );
    assert.equal(await retry(id), undefined);
  });
});
