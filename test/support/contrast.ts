import type { Page } from "playwright-core";

/** How far text stands out from what is behind it, where it does so least (WCAG 2: 4.5 will do). */
export async function worstContrast(page: Page): Promise<{ readonly ratio: number; readonly what: string }> {
  return await page.evaluate<{ ratio: number; what: string }>(MEASURE);
}

/** Runs in the page. Colours are opaque but for backgrounds that are not there. */
const MEASURE = `(() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = numbers(color).slice(0, 3).map((c) => c / 255).map((c) =>
      c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (numbers(color)[3] !== 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  let worst = { ratio: 21, what: "" };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const element = text.parentElement;
    if (!text.data.trim() || element.closest("svg") || !element.checkVisibility()) continue;
    const [one, other] = [luminance(getComputedStyle(element).color), luminance(behind(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < worst.ratio) worst = { ratio, what: text.data.trim().slice(0, 40) };
  }
  return worst;
})()`;
