import { escapeXml } from "#shared/wire/xml.ts";

/** Markup that was made by `html`: everything put into it was escaped. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Content = Html | readonly Html[] | string | number | undefined;

/** Makes markup from a template; whatever is put into it that is not markup itself is escaped. */
export function html(template: TemplateStringsArray, ...contents: readonly Content[]): Html {
  const parts = template.map((text, i) => text + (i < contents.length ? markup(contents[i]) : ""));
  return new Html(parts.join(""));
}

function markup(content: Content): string {
  if (content === undefined) return "";
  if (content instanceof Html) return content.text;
  if (typeof content === "string" || typeof content === "number") return escapeXml(String(content));
  return content.map(({ text }) => text).join("");
}
