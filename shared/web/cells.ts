import { formatInstant, type Instant } from "../model/time.ts";
import { type Content, type Html, html } from "./html.ts";

/** The beginning of a name of 64 digits, the whole of it on hovering. */
export function keyText(name: string): Html {
  return html`<code title="${name}">${name.slice(0, 12)}…</code>`;
}

export function link(href: string, content: Content): Html {
  return html`<a href="${href}">${content}</a>`;
}

export function utc(at: Instant | undefined): string {
  return at === undefined ? "–" : `${formatInstant(at)} UTC`;
}

/** Something that is said in smaller letters beneath. */
export function note(text: string): Html | undefined {
  return text === "" ? undefined : html`<small>${text}</small>`;
}

export type Tone = "good" | "warn" | "bad" | "plain";

/** A word in a colour. The word says it all; the colour only helps to find it. */
export function toned(tone: Tone, content: Content): Html {
  return html`<span class="tone-${tone}">${content}</span>`;
}

/** From this part on a bar is drawn as a warning. */
const NEARLY_FULL = 0.8;

/** How much of a whole is used, as a bar. Nothing but a picture of what is written beside it. */
export function bar(used: number, whole: number): Html {
  const max = Math.max(1, whole);
  return html`<meter aria-hidden="true" min="0" max="${max}" high="${max * NEARLY_FULL}" value="${Math.min(used, max)}"></meter>`;
}
