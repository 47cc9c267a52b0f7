import type { FaultName } from "#shared/model/errors.ts";
import { edited, type Vector } from "../vector.ts";
import { holdingBody, signed, sliceBody } from "./tickets.ts";

/** Bodies that are not the XML of a ticket, each properly signed. */

export function ticketXmlVectors(): Vector[] {
  return [...markup(), ...encodings(), ...structure(), ...elements()];
}

function markup(): Vector[] {
  const afterDeclaration = (text: string) => edited(sliceBody, "?>\n", `?>\n${text}\n`);
  const inValue = (text: string) => edited(sliceBody, "princeton_dns", text);
  return [
    refused("doctype", afterDeclaration("<!DOCTYPE ticket>"), "a DOCTYPE"),
    refused(
      "doctype-entity",
      edited(afterDeclaration('<!DOCTYPE ticket [<!ENTITY n "princeton_dns">]>'), ">princeton_dns<", ">&n;<"),
      "an entity of one's own",
    ),
    refused(
      "doctype-external",
      afterDeclaration('<!DOCTYPE ticket SYSTEM "http://127.0.0.1/ticket.dtd">'),
      "a DOCTYPE that lies elsewhere",
    ),
    refused("entity", inValue("princeton&amp;dns"), "an entity that XML defines: no value needs one"),
    refused("character-reference", inValue("princeton&#95;dns"), "a character by its number"),
    refused("comment", afterDeclaration("<!-- a ticket -->"), "a comment"),
    refused("comment-in-value", inValue("princeton<!-- -->_dns"), "a comment that cuts a value in two"),
    refused("comment-at-end", `${sliceBody}<!-- -->`, "a comment after the root"),
    refused("cdata", inValue("<![CDATA[princeton_dns]]>"), "a CDATA section"),
    refused(
      "processing-instruction",
      afterDeclaration('<?xml-stylesheet href="x"?>'),
      "a processing instruction",
    ),
    refused("nul", inValue("princeton\0dns"), "a NUL"),
    refused("control-character", inValue("princeton\u0001dns"), "a control character"),
    refused("unescaped-less-than", inValue("princeton<dns"), "a < in a value"),
  ];
}

function encodings(): Vector[] {
  const declared = (encoding: string) => edited(sliceBody, "UTF-8", encoding);
  return [
    refused("byte-order-mark", `\uFEFF${sliceBody}`, "a byte order mark"),
    refused("utf-16", Array.from(sliceBody, (character) => `${character}\0`).join(""), "UTF-16"),
    refused("declared-latin-1", declared("ISO-8859-1"), "another declared encoding"),
    refused("declared-utf-16", declared("UTF-16"), "UTF-8 that says it is UTF-16"),
    refused(
      "xml-1-1",
      edited(sliceBody, 'version="1.0"', 'version="1.1"'),
      "XML 1.1, which allows control characters",
    ),
    refused("declaration-late", `\n${sliceBody}`, "white space above the XML declaration"),
  ];
}

function structure(): Vector[] {
  return [
    refused("not-xml", "a ticket", "no XML at all"),
    refused("no-root", '<?xml version="1.0" encoding="UTF-8"?>\n', "no root"),
    refused("two-roots", `${sliceBody}<ticket version="1"/>`, "two roots"),
    refused("text-after-root", `${sliceBody}junk`, "text after the root"),
    refused("unclosed", edited(sliceBody, "</ticket>", ""), "a root that never ends"),
    refused("mismatched-case", edited(sliceBody, "</slice>", "</Slice>"), "tags that differ in case"),
    refused("mismatched-tags", edited(sliceBody, "</slice>", "</serial>"), "tags that differ"),
    refused("lease-as-ticket", asRoot("lease"), "another root: it tells a ticket from a lease", "WRONG_TYPE"),
    refused("capital-root", asRoot("Ticket"), "names are lower-case", "WRONG_TYPE"),
    refused(
      "version-2",
      edited(sliceBody, '<ticket version="1">', '<ticket version="2">'),
      "another version",
    ),
    refused("no-version", edited(sliceBody, '<ticket version="1">', "<ticket>"), "no version"),
    refused(
      "root-attribute",
      edited(sliceBody, 'version="1">', 'version="1" id="7">'),
      "an attribute of the root",
    ),
    refused("namespace", edited(sliceBody, 'version="1">', 'version="1" xmlns="urn:x">'), "a namespace"),
    refused("attribute", edited(sliceBody, "<slice>", '<slice kind="x">'), "an attribute of a value"),
    refused(
      "attribute-of-group",
      edited(sliceBody, "<resources>", '<resources of="me">'),
      "an attribute of a group",
    ),
    refused("attribute-of-list", edited(sliceBody, "<ports>", '<ports open="no">'), "an attribute of a list"),
    refused(
      "attribute-twice",
      edited(sliceBody, 'from="8080"', 'from="8080" from="1"'),
      "an attribute twice",
    ),
    refused("text-between", edited(sliceBody, "<slice>", "text<slice>"), "text between elements"),
    refused("text-in-group", edited(sliceBody, "<cpu_millis>", "text<cpu_millis>"), "text in a group"),
    refused(
      "element-in-value",
      edited(sliceBody, "princeton_dns", "<b>princeton_dns</b>"),
      "an element in a value",
    ),
    refused(
      "too-deep",
      edited(sliceBody, "<ceilings>", `${"<ceilings>".repeat(16)}${"</ceilings>".repeat(16)}<ceilings>`),
      "seventeen levels",
      "TOO_LARGE",
    ),
  ];
}

/** Elements that a ticket of one kind may lack; a holding without a parent is a root. */
const OPTIONAL = {
  holding:
    /^(parent_sha256|replaces_sha256|holder_sha256|slice_prefix|ceilings|engine|image|ports|administrative|overbooking)$/,
  slice: /^(renewable_until_time|ceilings|engine|image|ports|administrative|overbooking)$/,
};
/** Without these it is neither a holding nor a slice ticket. */
const MARKS = /^(slice|principal_key|parent_sha256)$/;

function elements(): Vector[] {
  return [
    refused(
      "unknown-element",
      edited(sliceBody, "<slice>", "<colour>red</colour><slice>"),
      "an element nobody knows",
    ),
    refused(
      "unknown-in-group",
      edited(sliceBody, "<memory_mib>", "<swap_mib>1</swap_mib><memory_mib>"),
      "a resource nobody knows",
    ),
    refused(
      "prefixed-element",
      edited(sliceBody, "<slice>princeton_dns</slice>", "<s:slice>princeton_dns</s:slice>"),
      "a name with a prefix is another name",
    ),
    refused(
      "nested-again",
      edited(sliceBody, "</resources>", "<slice>x</slice></resources>"),
      "an element where it does not belong",
    ),
    ...elementsOf("holding", holdingBody),
    ...elementsOf("slice", sliceBody),
  ];
}

/** Every element of a ticket: doubled, empty, and, unless it is optional, left out. */
function elementsOf(kind: "holding" | "slice", body: string): Vector[] {
  return body
    .split("\n")
    .slice(2, -1)
    .flatMap((line) => {
      const [, name = ""] = /<([a-z_0-9]+)>/.exec(line)!;
      const two = refused(
        `${kind}-two-${name}`,
        edited(body, line, line + line),
        `<${name}> twice in a ${kind}`,
      );
      if (OPTIONAL[kind].test(name)) return [two];
      const empty = edited(body, line, `<${name}></${name}>`);
      return [
        two,
        refused(`${kind}-empty-${name}`, empty, `an empty <${name}> in a ${kind}`),
        refused(
          `${kind}-no-${name}`,
          edited(body, line, ""),
          `no <${name}> in a ${kind}`,
          MARKS.test(name) ? "BAD_CHAIN" : "MALFORMED",
        ),
      ];
    });
}

function asRoot(name: string): string {
  return sliceBody.replaceAll("<ticket ", `<${name} `).replaceAll("</ticket>", `</${name}>`);
}

function refused(name: string, body: string, why: string, fault: FaultName = "MALFORMED"): Vector {
  const { id: _, ...vector } = signed(name, body, why);
  return { ...vector, fault };
}
