import type { z } from "zod";
import { Fault, type FaultName } from "../model/errors.ts";
import type { DescriptionXml } from "./description-xml.ts";

/** How a person is told what is wrong with a description: where it stands, and what to write instead. */

/** How each element is written. */
const EXAMPLES: Readonly<Record<string, string>> = {
  slice: "<slice><name>…</name><nodes>…</nodes><lease_seconds>…</lease_seconds>…</slice>",
  name: "<name>oceanstore</name>",
  nodes: '<nodes>3</nodes> or <nodes atleast="3" standby="1">5</nodes>',
  lease_seconds: "<lease_seconds>86400</lease_seconds>",
  resources:
    "<resources><cpu_millis>250</cpu_millis><memory_mib>128</memory_mib><disk_mib>512</disk_mib>" +
    "<egress_kbps>1000</egress_kbps></resources>",
  ceilings: "<ceilings><cpu_millis>1000</cpu_millis><egress_kbps>5000</egress_kbps></ceilings>",
  cpu_millis: "<cpu_millis>250</cpu_millis> (thousandths of a core)",
  memory_mib: "<memory_mib>128</memory_mib>",
  disk_mib: "<disk_mib>512</disk_mib>",
  egress_kbps: "<egress_kbps>1000</egress_kbps> (0 for a fair share)",
  engine: "<engine>container</engine>",
  image: "<image>debian-12</image>",
  ports: '<ports><port protocol="tcp" from="8080" to="8080"/></ports>',
  port: '<port protocol="tcp" from="8080" to="8080"/> or <port protocol="tcp" any="2"/>',
  where: '<where><site distinct="true"/><tag name="region">eu</tag></where>',
  site: '<site distinct="true"/>, or <site>princeton</site> for nodes there',
  spread: '<spread over="region"/>',
  load: '<load atmost="2.5"/>',
  tag: '<tag name="region">eu</tag>',
  node: "<node>10.0.0.1</node>, an address or a node's SHA-256",
  include: "<include>10.0.0.1</include>, an address or a node's SHA-256",
  avoid: '<avoid>10.0.0.1</avoid>, an address or a node\'s SHA-256, or <avoid site="princeton"/>',
  administrative: "<administrative><capability>CAP_NET_RAW</capability></administrative>",
  capability: "<capability>CAP_NET_RAW</capability>",
  program: "<program><command>./run.sh</command></program>",
  file: '<file path="run.sh" mode="755" source="run.sh"/>',
  env: '<env name="ROLE">peer</env>',
  command: "<command>./run.sh</command>",
  arg: "<arg>--join</arg>",
  restart: "<restart>always</restart>",
};

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];
type Finding = { readonly fault: FaultName; readonly sentence: string; readonly path: Path };

/**
 * The refusal of the first thing wrong, reading from the top: correcting it is what its author does next. What lacks
 * comes last, since a misspelt element is both unknown and lacking.
 */
export function refusalOf(issues: readonly Issue[], xml: DescriptionXml): Fault {
  const found = issues.map((issue) => {
    const finding = findingOf(issue);
    return { ...finding, offset: xml.offsetOf(finding.path), lacking: issue.code === "invalid_type" ? 1 : 0 };
  });
  found.sort((a, b) => a.lacking - b.lacking || a.offset - b.offset);
  const { fault, sentence, offset } = found[0]!;
  return new Fault(fault, `${xml.placeAt(offset)}: ${sentence}`);
}

function findingOf(issue: Issue): Finding {
  const { path } = issue;
  const element = elementAt(path);
  switch (issue.code) {
    case "unrecognized_keys":
      return unknownKey(issue.keys[0]!, issue.message, path);
    case "too_big":
      return malformed(`there is a second <${String(path.at(-1))}>; leave one`, [...path, 1]);
    case "invalid_type":
      return malformed(missing(path), path);
    case "custom": {
      const sentence = `<${element}>: ${issue.message}; write ${EXAMPLES[element]}`;
      return { fault: issue.params?.fault ?? "MALFORMED", sentence, path };
    }
    default:
      return malformed(`<${element}> has a value that is not known; write ${EXAMPLES[element]}`, path);
  }
}

function malformed(sentence: string, path: Path): Finding {
  return { fault: "MALFORMED", sentence, path };
}

/** `known` lists the elements that may stand where an unknown one does. */
function unknownKey(key: string, known: string, path: Path): Finding {
  const element = elementAt(path);
  const instead = `write ${EXAMPLES[element]}`;
  if (path.at(-1) === "@")
    return malformed(`<${element}> takes no ${key.slice(0, 40)}="…"; ${instead}`, path);
  if (key === "@") return malformed(`<${element}> takes no attributes; ${instead}`, path);
  if (key === "#text") return malformed(`<${element}> has text where elements belong; ${instead}`, path);
  return malformed(`<${key.slice(0, 40)}> is not known in <${element}>; write ${known}`, [...path, key, 0]);
}

/** What is not there at all: an element, an attribute, or the text of an element. */
function missing(path: Path): string {
  const last = String(path.at(-1));
  const element = elementAt(path);
  if (last === "#text") return `<${element}> is empty; write ${EXAMPLES[element]}`;
  if (last === "@") return `<${element}> lacks its attributes; write ${EXAMPLES[element]}`;
  if (path.at(-2) === "@") return `<${element}> lacks ${last}="…"; write ${EXAMPLES[element]}`;
  return `<${element}> lacks <${last}>; write ${EXAMPLES[last]}`;
}

/** The innermost element a path goes through: in a tree of lists, the name before the last index. */
function elementAt(path: Path): string {
  const index = path.findLastIndex((step) => typeof step === "number");
  return index > 0 ? String(path[index - 1]) : "slice";
}
