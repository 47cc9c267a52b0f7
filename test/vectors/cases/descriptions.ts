import { readFileSync } from "node:fs";
import type { FaultName } from "#shared/model/errors.ts";
import { edited, type Vector } from "../vector.ts";

/** Slice descriptions: not signed, written by people (WIRE.md §1, Slice description). */

const FULL = `<?xml version="1.0" encoding="UTF-8"?>
<slice>
  <name>oceanstore</name>
  <nodes atleast="3" standby="1">5</nodes>
  <lease_seconds>86400</lease_seconds>
  <resources>
    <cpu_millis>250</cpu_millis><memory_mib>128</memory_mib>
    <disk_mib>512</disk_mib><egress_kbps>1000</egress_kbps>
  </resources>
  <ceilings><cpu_millis>1000</cpu_millis></ceilings>
  <engine>container</engine>
  <image>debian-12</image>
  <ports><port protocol="tcp" from="8080" to="8080"/></ports>
  <where>
    <site distinct="true"/><site>oslo</site><site>rome</site><tag name="region">eu</tag>
    <spread over="country"/><load atmost="2.5"/>
    <include>10.77.0.1</include><avoid>10.77.0.9</avoid><avoid site="atlantis"/>
  </where>
  <administrative><capability>CAP_NET_RAW</capability></administrative>
  <program>
    <file path="run.sh" mode="755" source="run.sh"/>
    <env name="ROLE">peer</env>
    <command>./run.sh</command>
    <arg>--join</arg>
    <restart>always</restart>
  </program>
</slice>
`;

const SMALLEST = "<slice><name>dns</name><nodes>1</nodes><lease_seconds>60</lease_seconds></slice>";

/** Five nodes before the one that is included already. */
const INCLUDED = [2, 3, 4, 5, 6]
  .map((n) => `<include>10.77.0.${n}</include>`)
  .join("")
  .concat("<include>");

export function descriptionVectors(): Vector[] {
  return [...valid(), ...xml(), ...elements(), ...values()];
}

function valid(): Vector[] {
  const example = readFileSync(new URL("../../../examples/oceanstore.xml", import.meta.url), "utf8");
  return [
    { name: "example", text: example, why: "the example that comes with Slicelab" },
    { name: "full", text: FULL, why: "every element there is" },
    { name: "smallest", text: SMALLEST, why: "what there must be" },
    { name: "crlf", text: FULL.replaceAll("\n", "\r\n"), why: "an editor's line ends" },
    { name: "byte-order-mark", text: `\uFEFF${FULL}`, why: "an editor's byte order mark" },
    { name: "commented", text: edited(FULL, "<nodes", "<!-- <nodes>9</nodes> -->\n<nodes"), why: "comments" },
    { name: "cdata", text: edited(FULL, "--join", "<![CDATA[a < b & c]]>"), why: "a CDATA section" },
    {
      name: "references",
      text: edited(FULL, "--join", "&lt;a&gt; &amp; &#98;"),
      why: "what XML must escape",
    },
    { name: "any-order", text: reordered(), why: "elements in another order" },
  ];
}

function xml(): Vector[] {
  const rows: [string, string | RegExp, string, string][] = [
    ["doctype", "<slice>", "<!DOCTYPE slice><slice>", "a DOCTYPE"],
    ["html-entity", "--join", "&nbsp;", "an entity of HTML's"],
    ["nul", "--join", "&#0;", "a NUL by its number"],
    ["control-character", "--join", "\u0007", "a control character"],
    ["processing-instruction", "<slice>", "<?php ?><slice>", "a processing instruction"],
    ["declared-latin-1", "UTF-8", "ISO-8859-1", "another declared encoding"],
    ["two-roots", "</slice>", "</slice><slice/>", "two roots"],
    ["text-after-root", "</slice>", "</slice>text", "text after the root"],
    ["another-root", /slice>/g, "sliver>", "another root"],
    ["mismatched-case", "</name>", "</Name>", "tags that differ in case"],
    ["unclosed", "</slice>", "", "a root that never ends"],
    ["attribute-twice", 'from="8080"', 'from="8080" from="1"', "an attribute twice"],
    ["unquoted-attribute", 'distinct="true"', "distinct=true", "an attribute without quotes"],
  ];
  return [
    ...rows.map(([name, from, to, why]) => changed(name, from, to, why)),
    { name: "empty", text: "", why: "nothing", fault: "MALFORMED" },
    { name: "not-xml", text: "slice: oceanstore\n", why: "another language", fault: "MALFORMED" },
    {
      name: "too-large",
      text: edited(FULL, "--join", "x".repeat(64 * 1024)),
      why: "more than 64 KiB",
      fault: "TOO_LARGE",
    },
  ];
}

function elements(): Vector[] {
  const rows: [string, string | RegExp, string, string][] = [
    ["misspelt", /lease_seconds/g, "lease_second", "an element nobody knows"],
    ["unknown-in-slice", "<name>", "<colour>red</colour><name>", "an element nobody knows"],
    ["unknown-constraint", "<where>", '<where><latency below="10"/>', "a constraint nobody could keep"],
    ["unknown-attribute", 'standby="1"', 'spare="1"', "an attribute nobody knows"],
    ["attribute-of-slice", "<slice>", '<slice version="1">', "an attribute where none is"],
    ["two-names", "<name>", "<name>two</name><name>", "an element twice"],
    ["two-programs", "</program>", "</program><program><command>x</command></program>", "a group twice"],
    ["no-name", /<name>.*<\/name>/, "", "no name"],
    ["no-nodes", /<nodes.*<\/nodes>/, "", "no nodes"],
    ["no-lease", /<lease_seconds>.*<\/lease_seconds>/, "", "no lease"],
    ["no-memory", /<memory_mib>.*<\/memory_mib>/, "", "a resource left out"],
    ["no-command", /<command>.*<\/command>/, "", "a program without a command"],
    ["no-file-source", ' source="run.sh"', "", "a file from nowhere"],
    ["text-in-slice", "<name>", "text<name>", "text between elements"],
    ["empty-name", "oceanstore", "", "an empty name"],
    [
      "prototype",
      "<name>",
      "<__proto__>x</__proto__><name>",
      "a name that means something in some languages",
    ],
  ];
  return rows.map(([name, from, to, why]) => changed(name, from, to, why));
}

function values(): Vector[] {
  const rows: [string, string, string, string, FaultName?][] = [
    ["name-upper-case", "oceanstore", "OceanStore", "a capital", "BAD_NAME"],
    ["name-path", "oceanstore", "../ocean", "a path", "BAD_NAME"],
    ["name-root", "oceanstore", "root", "a login name of every machine", "BAD_NAME"],
    ["nodes-none", ">5<", ">0<", "no nodes"],
    ["nodes-negative", ">5<", ">-1<", "fewer than none"],
    ["nodes-fraction", ">5<", ">1.5<", "half a node"],
    ["nodes-many", ">5<", ">1000000000<", "more nodes than there are"],
    ["atleast-more", 'atleast="3"', 'atleast="6"', "at least more than wanted"],
    ["atleast-none", 'atleast="3"', 'atleast="0"', "at least none"],
    ["lease-none", ">86400<", ">0<", "no lease at all"],
    ["lease-long", ">86400<", ">34560001<", "a second more than 400 days"],
    ["lease-unit", ">86400<", ">1d<", "a unit"],
    ["memory-padded", ">128<", ">0128<", "a zero in front"],
    ["engine", ">container<", ">jail<", "an engine nobody has"],
    ["port", 'to="8080"', 'to="8079"', "a range that ends before it starts"],
    ["site", 'distinct="true"', 'distinct="yes"', "neither true nor false"],
    ["site-twice-distinct", "<site>", '<site distinct="true"/><site>', "distinct said twice"],
    ["site-of-nothing", "<site>oslo</site>", "<site/>", "a site that says nothing"],
    [
      "site-of-both",
      '<site distinct="true"/>',
      '<site distinct="true">oslo</site>',
      "two constraints in one",
    ],
    ["spread", 'over="country"', 'over="continent"', "nothing that agents tell of a node"],
    ["spread-twice", "<spread ", '<spread over="site"/><spread ', "two ways at once"],
    ["load", 'atmost="2.5"', 'atmost="2,5"', "a comma"],
    ["load-negative", 'atmost="2.5"', 'atmost="-1"', "less than no load"],
    ["include", "<include>10.77.0.1", "<include>node1", "neither an address nor a name of a key"],
    ["include-avoided", "<include>10.77.0.1", "<include>10.77.0.9", "a node that must be there and not"],
    ["include-many", "<include>", INCLUDED, "more nodes included than asked for"],
    ["site-avoided", 'site="atlantis"', 'site="rome"', "a site that is asked for and avoided"],
    ["avoid-both", '<avoid site="atlantis"/>', '<avoid site="atlantis">10.0.0.1</avoid>', "two in one"],
    ["avoid", "10.77.0.9", "node9", "neither an address nor a name of a key"],
    ["capability", "CAP_NET_RAW", "CAP_MAKE_COFFEE", "a capability that cannot be granted"],
    ["path-above", 'path="run.sh"', 'path="../run.sh"', "a file above the sliver's home"],
    ["path-inside-above", 'path="run.sh"', 'path="a/../../run.sh"', "the same, hidden"],
    ["path-absolute", 'path="run.sh"', 'path="/etc/passwd"', "a file of the machine"],
    ["path-empty-step", 'path="run.sh"', 'path="a//run.sh"', "an empty step"],
    ["path-of-directory", 'path="run.sh"', 'path="bin/"', "a directory"],
    ["mode-setuid", 'mode="755"', 'mode="4755"', "a bit that changes whose program it is"],
    ["mode-decimal", 'mode="755"', 'mode="789"', "digits that are not octal"],
    ["variable", 'name="ROLE"', 'name="A-B"', "a name no shell can say"],
    ["variable-twice", "<env ", '<env name="ROLE">x</env><env ', "a variable set twice"],
    ["file-twice", "<file ", '<file path="run.sh" source="x"/><file ', "two files for one path"],
    ["restart", ">always<", ">sometimes<", "a way to restart nobody knows"],
  ];
  return rows.map(([name, from, to, why, fault]) => changed(name, from, to, why, fault));
}

function reordered(): string {
  const [before, inner, after] = FULL.split(/(?<=<slice>\n)|(?=<\/slice>)/) as [string, string, string];
  const parts = inner.split(/\n(?= {2}<[a-z])/);
  return `${before}${parts.reverse().join("\n")}\n${after}`;
}

function changed(
  name: string,
  from: string | RegExp,
  to: string,
  why: string,
  fault: FaultName = "MALFORMED",
): Vector {
  return { name, text: edited(FULL, from, to), why, fault };
}
