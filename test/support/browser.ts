import assert from "node:assert/strict";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import type { TlsCredentials } from "#shared/identity/identity.ts";
import { worstContrast } from "./contrast.ts";
import { eventually } from "./deadline.ts";

/** Debian's, which the testbed's setup installs. Nobody is protected here from pages that are our own. */
const BROWSER = { executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] };

/** Screenshots are written here, where it is set, to be looked at. */
const SHOTS = process.env.SLICELAB_SCREENSHOTS;
/** Of whole pages, not of what a window shows of them. */
const WHOLE = process.env.SLICELAB_SCREENSHOTS_WHOLE !== undefined;

export function launchBrowser(): Promise<Browser> {
  return chromium.launch(BROWSER);
}

/** Somebody with a browser, at one site. */
export type Visitor = {
  readonly browser: Browser;
  /** Where the site is, with a slash at its end. */
  readonly web: string;
  /** What the browser shows of its certificate, where the site is over TLS. */
  readonly credentials?: Pick<TlsCredentials, "key" | "cert">;
};

/** Chromium is not told of our authorities: that servers are verified is tried elsewhere. */
function secure({ web, credentials }: Visitor): BrowserContextOptions {
  if (credentials === undefined) return {};
  const [cert, key] = [Buffer.from(credentials.cert), Buffer.from(credentials.key)];
  return { ignoreHTTPSErrors: true, clientCertificates: [{ origin: new URL(web).origin, cert, key }] };
}

/** Runs `look` on a page, and fails if it wrote errors to the console or asked anybody else for anything. */
async function looking(
  visitor: Visitor,
  options: BrowserContextOptions,
  look: (page: Page) => Promise<void>,
): Promise<void> {
  const { browser, web } = visitor;
  const context = await browser.newContext({ ...secure(visitor), ...options });
  const page = await context.newPage();
  const wrong: string[] = [];
  page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("dialog", (dialog) => wrong.push(`a dialog: ${dialog.message()}`));
  page.on("request", (request) => request.url().startsWith(web) || wrong.push(request.url()));
  try {
    await look(page);
  } catch (error) {
    // A page that lacks its style or script fails in many ways, none of which says so.
    throw wrong.some(isDisturbance) ? new Error(wrong.join("\n"), { cause: error }) : error;
  } finally {
    await context.close();
  }
  assert.deepEqual(wrong, []);
}

const WIDE = { width: 1280, height: 900 };
const WAYS = {
  light: { colorScheme: "light", viewport: WIDE },
  dark: { colorScheme: "dark", viewport: WIDE },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 } },
} as const;
export type Way = keyof typeof WAYS;

/**
 * Looks at pages in light, in dark and on a phone: their text stands out (WCAG AA), nothing is wider than the window,
 * every picture and field has a name, and no two things share an id. `name` is that of the screenshots.
 */
export async function assertReadable(
  visitor: Visitor,
  paths: readonly string[],
  { name, ways = ["light", "dark", "phone"] }: { readonly name: string; readonly ways?: readonly Way[] },
): Promise<void> {
  for (const way of ways) {
    await undisturbed(visitor, WAYS[way], async (page) => {
      for (const path of paths) {
        await page.goto(visitor.web + path);
        const where = `${name} /${path} in ${way}`;
        assert.ok((await page.title()).includes("Slicelab"), where);
        const worst = await worstContrast(page);
        assert.ok(worst.ratio >= 4.5, `${where}: ${worst.ratio} of ${worst.what}`);
        const over = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
        assert.ok(Number(over) <= 0, `${where} is ${over} too wide`);
        assert.deepEqual(await page.evaluate(UNNAMED), [], where);
        await shot(
          page,
          `${name}-${way}-${path.split("/")[0] || "overview"}${path.includes("/") ? "-one" : ""}`,
        );
      }
    });
  }
}

const TRIES = 3;

/**
 * Looks once more where Chromium dropped its connections since the machine's network changed: other tests make
 * namespaces at the same time. For looks that can begin again.
 */
export async function undisturbed(...looks: Parameters<typeof looking>): Promise<void> {
  for (let left = TRIES; ; left--) {
    try {
      return await looking(...looks);
    } catch (error) {
      if (left === 0 || !isDisturbance(String(error))) throw error;
    }
  }
}

function isDisturbance(text: string): boolean {
  return text.includes("ERR_NETWORK_CHANGED");
}

/** Runs in the page: what nobody who cannot see it could make sense of, and ids that stand twice. */
const UNNAMED = `(() => {
  const wrong = [];
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) wrong.push("twice #" + id);
  const named = (it) => it.getAttribute("aria-label") || it.getAttribute("aria-labelledby") || it.labels?.length ||
    it.textContent.trim();
  for (const it of document.querySelectorAll("svg, input:not([type=hidden]), a, button, summary"))
    if (!named(it) && it.getAttribute("aria-hidden") !== "true") wrong.push(it.outerHTML.slice(0, 80));
  return wrong;
})()`;

export async function shot(page: Page, name: string): Promise<void> {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: WHOLE });
}

/** Asked from outside, since the pages allow no text to become a program. */
export async function until(page: Page, condition: string): Promise<void> {
  await eventually(async () => (await page.evaluate(condition)) === true, { what: condition });
}

export async function focused(page: Page): Promise<string> {
  return String(await page.evaluate("document.activeElement?.textContent ?? ''"));
}

/** Goes on with the keyboard to the thing with this id. */
export async function tabTo(page: Page, id: string): Promise<void> {
  await eventually(
    async () => {
      await page.keyboard.press("Tab");
      return (await page.evaluate("document.activeElement?.id")) === id;
    },
    { everyMs: 1, what: `the keyboard at #${id}` },
  );
}
