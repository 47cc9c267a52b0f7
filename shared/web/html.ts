const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text that is HTML already: everything put into it was escaped. Only `html` makes it. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** What may stand in a template. Nothing, `undefined`, is written as nothing. */
export type Content = Html | readonly Html[] | string | number | undefined;

/** A template whose parts are escaped, wherever they stand, unless they are HTML themselves. */
export function html(texts: TemplateStringsArray, ...parts: readonly Content[]): Html {
  return new Html(texts.map((text, at) => text + (at < parts.length ? written(parts[at]) : "")).join(""));
}

function written(part: Content): string {
  if (part === undefined) return "";
  if (part instanceof Html) return part.text;
  if (typeof part === "object") return part.map(({ text }) => text).join("");
  return escaped(String(part));
}

/** Characters that HTML or XML gives a meaning, as references; those that nobody sees but that turn text about, as �. */
function escaped(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd")
    .replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}

/** A name as one part of a path. Its dots too are written out, so that no name is an ending (".json") or a way up (".."). */
export function pathPart(name: string): string {
  return encodeURIComponent(name).replaceAll(".", "%2E");
}
