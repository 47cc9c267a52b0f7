import { SaxesParser } from "saxes";
import { Fault, refuseUnless } from "../model/errors.ts";

/** What a strict reading reports. `text` may come in several pieces for one run of text. */
export type XmlEvents = {
  open(name: string, attributes: Readonly<Record<string, string>>): void;
  text(text: string): void;
  close(name: string): void;
  /** Where it is given, CDATA sections are accepted and reported here; elsewhere they are refused. */
  cdata?(text: string): void;
};

export type XmlLimits = { readonly maxBytes: number; readonly maxDepth: number };

/**
 * Reads XML strictly and reports it as events. One root; UTF-8 without a byte order mark and without another
 * declared encoding; no DOCTYPE, comment, CDATA or processing instruction; of entities only the five that XML itself
 * defines. Everything else is MALFORMED, and more than the limits is TOO_LARGE.
 */
export function readXml(bytes: Buffer, limits: XmlLimits, events: XmlEvents): void {
  refuseUnless(
    bytes.length <= limits.maxBytes,
    "TOO_LARGE",
    `the document has ${bytes.length} bytes; ${limits.maxBytes} is the limit`,
  );
  const text = decodeUtf8(bytes);
  refuseDeclarations(text);
  const parser = new SaxesParser({ xmlns: false, fragment: false, position: false });
  let depth = 0;
  parser.on("error", (cause) => {
    throw new Fault("MALFORMED", "this is not well-formed XML", { cause });
  });
  parser.on("cdata", events.cdata ?? (() => refuseMarkup("CDATA section")));
  parser.on("processinginstruction", () => refuseMarkup("processing instruction"));
  parser.on("xmldecl", (declaration) => {
    refuseUnless(declaration.version === "1.0", "MALFORMED", "the XML must be version 1.0");
    const encoding = declaration.encoding ?? "UTF-8";
    refuseUnless(/^utf-8$/i.test(encoding), "MALFORMED", "the XML must be encoded in UTF-8");
  });
  parser.on("opentag", (tag) => {
    depth += 1;
    refuseUnless(depth <= limits.maxDepth, "TOO_LARGE", `the XML is nested deeper than ${limits.maxDepth}`);
    events.open(tag.name, tag.attributes);
  });
  // White space around the root is legal and says nothing.
  parser.on("text", (text) => {
    if (depth > 0) events.text(text);
  });
  parser.on("closetag", (tag) => {
    depth -= 1;
    events.close(tag.name);
  });
  parser.write(text).close();
}

function refuseMarkup(what: string): never {
  throw new Fault("MALFORMED", `the XML has a ${what}, which is never accepted; leave it out`);
}

/**
 * Refuses comments and DOCTYPEs before the parser runs, since `<!` outside a CDATA section begins nothing else. They
 * could be left to saxes, but its parser becomes four times slower once it carries more than seven handlers: V8 then
 * keeps the handlers in a dictionary.
 */
function refuseDeclarations(text: string): void {
  for (let at = text.indexOf("<!"); at >= 0; at = text.indexOf("<!", at)) {
    if (text.startsWith("<!--", at)) refuseMarkup("comment");
    if (!text.startsWith("<![CDATA[", at)) refuseMarkup("DOCTYPE");
    const end = text.indexOf("]]>", at);
    refuseUnless(end >= 0, "MALFORMED", "this is not well-formed XML");
    at = end;
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Buffer): string {
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch (cause) {
    throw new Fault("MALFORMED", "the XML is not valid UTF-8", { cause });
  }
  refuseUnless(
    !text.startsWith("\uFEFF"),
    "MALFORMED",
    "the XML begins with a byte order mark; leave it out",
  );
  return text;
}

/**
 * Text as it stands in element content or a double-quoted attribute. Plain replacements, one character after the other: with
 * one regular expression and a function for its matches, a signed document, half of it markup, takes twice as long.
 */
export function escapeXml(text: string): string {
  if (!/[&<>"\r]/.test(text)) return text;
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("\r", "&#13;");
}
