import { after, before, describe } from "node:test";
import type { Browser } from "playwright-core";
import { launchBrowser } from "../support/browser.ts";
import { agentPages } from "./agent-pages.ts";
import { livePages } from "./live-pages.ts";
import { otherPages } from "./other-pages.ts";

/** One browser for all, since starting one is most of the work. */
describe("in a browser", () => {
  let browser: Browser;

  before(async () => {
    browser = await launchBrowser();
  });

  after(() => browser?.close());

  describe("a page that changes", () => livePages(() => browser));
  describe("a broker's, a node's and a monitor's pages", () => otherPages(() => browser));
  describe("an agent's pages", () => agentPages(() => browser));
});
