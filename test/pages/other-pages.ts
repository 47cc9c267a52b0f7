import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type BrokerLab, brokerLab } from "../services/broker/broker-lab.ts";
import { type NodeLab, nodeLab } from "../services/node-manager/lab/node-lab.ts";
import { type MonitorLab, monitorLab, send, told } from "../services/resource-monitor/monitor-lab.ts";
import { assertReadable, focused, tabTo, undisturbed, until, type Visitor } from "../support/browser.ts";
import { eventually } from "../support/deadline.ts";
import { assertDescribed } from "../support/open-api.ts";

const LISTEN = { address: "127.0.0.1", tls_port: 0, plain_port: 0, web_port: 0, web_tls_port: 0 };

/** The pages of brokers, node managers and monitors, and what agents show only with a certificate, looked at in a browser. */
export function otherPages(browser: () => Visitor["browser"]): void {
  let broker: BrokerLab;
  let node: NodeLab;
  let monitor: MonitorLab;

  before(async () => {
    [broker, node, monitor] = await Promise.all([
      brokerLab({ agent: { config: { listen: LISTEN } } }),
      nodeLab(),
      monitorLab(),
    ]);
    for (const name of ["one", "two"]) {
      await broker.client.acquireslice({ request: broker.request({ name }) });
    }
    await node.root();
    for (const slice of ["oceanstore", "coral"]) {
      await node.alice.newlease({ ticketdata: (await node.ticket({ slice })).text });
    }
    const { announce } = monitor.monitor;
    await send(announce.udp, ...told("192.0.2.8:<b>evil", "load_one", "2.5", true));
    await eventually(async () => (await (await fetch(new URL("/", announce.web))).text()).includes("evil"));
  });

  after(async () => {
    for (const lab of [broker, node, monitor]) await lab?.[Symbol.asyncDispose]();
  });

  const brokerVisit = (): Visitor => ({ browser: browser(), web: broker.broker.announce.web });
  const nodeVisit = (): Visitor => ({ browser: browser(), web: node.node.webUrl });
  const monitorVisit = (): Visitor => {
    return { browser: browser(), web: new URL("/", monitor.monitor.announce.web).href };
  };

  test("they can be read in light, in dark and on a phone, and ask nobody else for anything", async () => {
    await assertReadable(brokerVisit(), [""], { name: "broker" });
    await assertReadable(nodeVisit(), ["", "history"], { name: "node" });
    await assertReadable(monitorVisit(), [""], { name: "monitor" });
  });

  test("what is shown only with a certificate can be read so too, and is live", async () => {
    const { admin, alice, agent } = broker.agentLab;
    const web = String(agent.announce.web_tls);
    const [administrator, principal] = [admin, alice].map(({ tls: credentials }) => ({
      ...{ browser: browser(), web, credentials },
    }));
    const books = ["me", "tickets", "newcomers", "revocations"];
    await assertReadable(administrator!, books, { name: "administrator", ways: ["dark"] });
    await assertReadable(administrator!, [...books, "holdings", "principals", "audit"], {
      ...{ name: "administrator", ways: ["phone"] },
    });
    await assertReadable(principal!, ["me", "slices/one"], { name: "principal", ways: ["dark"] });
    const own = {
      browser: browser(),
      web: String(node.node.secureWebUrl),
      credentials: node.credentials.alice,
    };
    const atBroker = { ...principal!, web: String(broker.broker.announce.web_tls) };
    await assertReadable(own, ["me"], { name: "own-node", ways: ["dark", "phone"] });
    await assertReadable(atBroker, ["me"], { name: "own-broker", ways: ["dark", "phone"] });
    await undisturbed(own, {}, async (page) => {
      await page.goto(`${own.web}me`);
      await until(page, "document.getElementById('live-state')?.textContent === 'live'");
      assert.equal((await page.locator("#calendar rect").count()) > 0, true);
    });
    await undisturbed(principal!, {}, async (page) => {
      await page.goto(`${web}me`);
      await tabTo(page, "tickets-by-ip");
      await page.keyboard.press("Enter");
      await until(page, "location.search.includes('tickets.sort=ip')");
    });
  });

  test("as JSON they are what /openapi.json says", async () => {
    const tried = [];
    for (const { web } of [brokerVisit(), nodeVisit(), monitorVisit()])
      tried.push(...(await assertDescribed(web)));
    assert.ok(tried.length >= 4 && tried.includes("/history.json"), tried.join(" "));
  });

  test("a broker's acquisitions are sorted by keyboard alone", async () => {
    await undisturbed(brokerVisit(), {}, async (page) => {
      await page.goto(brokerVisit().web);
      await tabTo(page, "acquisitions-by-state");
      await page.keyboard.press("Enter");
      await until(page, "location.search.includes('acquisitions.sort=state')");
      assert.equal(await page.locator("#acquisitions tbody tr").count(), 2);
    });
  });

  test("a new lease appears on a node's page while somebody looks, and a filter that is typed holds", async () => {
    let tries = 0;
    await undisturbed(nodeVisit(), {}, async (page) => {
      tries += 1;
      await page.goto(nodeVisit().web);
      await until(page, "document.getElementById('live-state')?.textContent === 'live'");
      await tabTo(page, "leases-is-slice");
      await page.keyboard.type("o");
      await until(page, "location.search.includes('leases.is.slice=o')");
      await node.alice.newlease({ ticketdata: (await node.ticket({ slice: `bamboo${tries}` })).text });
      await node.alice.newlease({ ticketdata: (await node.ticket({ slice: `hidden${tries}` })).text });
      await until(page, `document.querySelectorAll('#leases tbody tr').length === ${2 + tries}`);
      assert.equal(await page.locator("#leases tbody th", { hasText: "hidden" }).count(), 0);
      assert.equal(await page.evaluate("document.activeElement.id"), "leases-is-slice");
    });
  });

  test("what hosts call themselves is text on a monitor's page, and its table filters", async () => {
    await undisturbed(monitorVisit(), {}, async (page) => {
      await page.goto(monitorVisit().web);
      assert.equal(await page.locator("h1").textContent(), "Monitor of own");
      assert.match((await page.locator("#hosts tbody").textContent()) ?? "", /<b>evil/);
      assert.equal(await page.locator("main b").count(), 0);
      await tabTo(page, "metrics-is-name");
      await page.keyboard.type("load_one");
      await until(page, "document.querySelectorAll('#metrics tbody tr').length === 1");
      assert.equal(await focused(page), "");
    });
  });
}
