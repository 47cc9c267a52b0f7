import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page as Tab } from "playwright-core";
import { silentLog } from "#shared/runtime/log.ts";
import { link } from "#shared/web/cells.ts";
import { startWebServer, type WebServer } from "#shared/web/server.ts";
import { table } from "#shared/web/table.ts";
import { ownPort } from "#testbed/own-port.ts";
import { tabTo, undisturbed, until, type Visitor } from "../support/browser.ts";
import { eventually } from "../support/deadline.ts";

type Row = { readonly name: string; readonly load: number };

/** A page that changes while somebody looks at it. */
export function livePages(browser: () => Visitor["browser"]): void {
  let site: WebServer;
  let visitor: Visitor;
  let rows: Row[] = [];
  let notices: string[] = [];
  let made = 0;

  function page() {
    made += 1;
    const things = table<Row>({
      ...{ id: "things", title: "Things", empty: "None.", rows },
      columns: [
        {
          ...{ key: "name", title: "Name", value: ({ name }) => name },
          show: ({ name }) => link(`/things/${name}`, name),
        },
        { key: "load", title: "Load", value: ({ load }) => load },
      ],
    });
    const facts = [{ key: "count", title: "Count", value: rows.length }];
    return { title: "Things", now: 0, notices, facts, parts: rows.length === 0 ? [] : [things] };
  }

  function start(port: number): Promise<WebServer> {
    return startWebServer({
      ...{ address: "127.0.0.1", port, service: "Slicelab test", log: silentLog(), now: () => 0 },
      ...{ ready: () => undefined, live: { everyMs: 20 } },
      routes: [{ path: "/", link: "Overview", page }],
    });
  }

  before(async () => {
    site = await start(await ownPort());
    visitor = { browser: browser(), web: `http://127.0.0.1:${site.port}/` };
  });

  after(() => site[Symbol.asyncDispose]());

  function manyRows(): Row[] {
    return Array.from({ length: 60 }, (_, at) => ({ name: `thing-${at}`, load: at }));
  }

  async function live(tab: Tab): Promise<void> {
    await until(tab, "document.getElementById('live-state')?.textContent === 'live'");
  }

  test("what changes is put in place; sorting, filters, scrolling and the keyboard stay", async () => {
    await undisturbed(visitor, { viewport: { width: 600, height: 400 } }, async (tab) => {
      rows = manyRows();
      await tab.goto(`${visitor.web}?things.sort=-load`);
      await live(tab);
      await tabTo(tab, "things-is-name");
      await tab.keyboard.type("thing-5");
      await until(tab, "document.querySelectorAll('#things tbody tr').length === 11");
      await live(tab);
      await tab.locator("#things tbody a", { hasText: "thing-55" }).focus();
      await tab.evaluate("document.activeElement.mine = true");
      await tab.evaluate("scrollTo(0, 180)");
      const scrolled = await tab.evaluate("scrollY");
      rows = [...rows.map((row) => (row.name === "thing-50" ? { ...row, load: 99 } : row))];
      await until(tab, "document.querySelector('#things tbody tr').textContent.includes('99')");
      assert.equal(await tab.evaluate("document.activeElement.textContent"), "thing-55");
      assert.equal(await tab.evaluate("document.activeElement.mine"), true, "the same element");
      assert.equal(await tab.evaluate("document.querySelectorAll('#things tbody tr').length"), 11);
      assert.equal(await tab.evaluate("document.getElementById('things-is-name').value"), "thing-5");
      assert.equal(await tab.evaluate("scrollY"), scrolled);
      rows = rows.filter(({ name }) => name !== "thing-59");
      await until(tab, "document.querySelectorAll('#things tbody tr').length === 10");
      await until(tab, "document.querySelector('#facts dd').textContent === '59'");
    });
  });

  test("rows that cannot be told apart, and rows that change places, all stay", async () => {
    await undisturbed(visitor, {}, async (tab) => {
      rows = ["b", "a", "a", "c"].map((name, load) => ({ name, load }));
      await tab.goto(`${visitor.web}?things.sort=load`);
      await live(tab);
      await tab.locator("#things tbody a", { hasText: "b" }).focus();
      rows = ["c", "a", "a", "a", "b"].map((name, load) => ({ name, load: load + 10 }));
      const shown =
        "[...document.querySelectorAll('#things tbody tr')].map((row) => row.textContent).join(' ')";
      await until(tab, `${shown} === 'c10 a11 a12 a13 b14'`);
      assert.equal(await tab.evaluate("document.activeElement.textContent"), "b");
    });
  });

  test("text that somebody marks stays marked, and what came meanwhile is shown afterwards", async () => {
    await undisturbed(visitor, {}, async (tab) => {
      [rows, notices] = [manyRows(), []];
      await tab.goto(visitor.web);
      await live(tab);
      await tab.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))");
      notices = ["Something was found."];
      rows = rows.slice(1);
      const before = made;
      await eventually(() => made > before + 5);
      assert.equal(await tab.evaluate("getSelection().toString()"), "Things");
      await tab.evaluate("getSelection().removeAllRanges()");
      await until(tab, "document.querySelector('.notice')?.textContent === 'Something was found.'");
      notices = [];
      await until(tab, "document.querySelector('.notice') === null");
    });
  });

  test("parts come and go; a hidden page asks for nothing; a service that comes back is live again", async () => {
    await undisturbed(visitor, {}, async (tab) => {
      rows = [];
      await tab.goto(visitor.web);
      await live(tab);
      rows = manyRows();
      await until(tab, "document.querySelector('#facts + #things') !== null");
      rows = [];
      await until(tab, "document.getElementById('things') === null");
      await tab.evaluate(HIDE);
      await until(tab, "document.getElementById('live-state').textContent === 'paused'");
      let before = -1;
      await eventually(() => {
        const still = made === before;
        before = made;
        return still;
      });
      rows = manyRows();
      await tab.evaluate(SHOW);
      await until(tab, "document.getElementById('things') !== null");
    });
  });

  test("while the service is away the page says so, and goes on by itself when it is back", async () => {
    const context = await visitor.browser.newContext();
    const tab = await context.newPage();
    await tab.goto(visitor.web);
    await live(tab);
    const { port } = site;
    await site[Symbol.asyncDispose]();
    await until(tab, "document.getElementById('live-state').textContent.startsWith('not live')");
    site = await start(port);
    await live(tab);
    await context.close();
  });
}

/** As a browser does when another tab is shown. */
const HIDE = `Object.defineProperty(document, "hidden", { value: true, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"))`;
const SHOW = `delete document.hidden; document.dispatchEvent(new Event("visibilitychange"))`;
