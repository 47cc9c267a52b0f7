import { writeRequest } from "#shared/wire/request-document.ts";
import { KEYS, sealBody, sealedRoot } from "#test/support/documents.ts";
import { requestOf } from "#test/support/requests.ts";
import { sealedWith } from "../sealed.ts";
import { edited, type Vector } from "../vector.ts";

/** Requests, as an agent reads them: it has registered the key of the principal (WIRE.md §1, Request). */

const given = { key: "alice" };
const { taken, refused } = sealedWith(KEYS.alice, given);
const request = requestOf();
const full = writeRequest(request).toString();

export function requestVectors(): Vector[] {
  return [...valid(), ...signers(), ...agents(), ...values(), ...descriptions(), ...elements()];
}

function valid(): Vector[] {
  const many = Array.from({ length: 64 }, (_, at) => agent(at));
  const spaced = edited(full, /<serial>(.*)<\/serial>/, `<serial>\n\t${request.serial} </serial>`);
  const lines = full.split("\n");
  const reordered = [...lines.slice(0, 2), ...lines.slice(2, -1).reverse(), ...lines.slice(-1)].join("\n");
  return [
    taken("request", full, "a request with one agent"),
    taken("agents-64", withAgents(many), "as many agents as there may be"),
    taken("any-order", reordered, "elements in another order"),
    taken("white-space", spaced, "white space around a value"),
    taken("description-terse", described(TERSE), "a description as another writer writes it"),
  ];
}

function signers(): Vector[] {
  return [
    refused("signed-by-another", full, "properly signed by another principal", "UNKNOWN_KEY", KEYS.bob),
    refused(
      "signed-by-a-ticket-key",
      full,
      "properly signed by an agent's ticket key",
      "UNKNOWN_KEY",
      KEYS.agent,
    ),
    refused(
      "of-another-principal",
      inside("principal_sha256", KEYS.bob.public.name),
      "its signer asks in another's name",
      "NOT_PRINCIPAL",
    ),
    refused(
      "ticket-as-request",
      full.replaceAll("<request ", "<ticket ").replace("</request>", "</ticket>"),
      "a ticket is no request",
      "WRONG_TYPE",
    ),
    {
      name: "with-a-parent",
      text: sealBody(Buffer.from(full), KEYS.alice, sealedRoot().lineage).text,
      why: "no signature covers a request's header",
      fault: "MALFORMED",
      given,
    },
  ];
}

function agents(): Vector[] {
  return [
    refused("agents-none", withAgents([]), "no agent"),
    refused("agents-twice", withAgents([agent(1), agent(2), agent(1)]), "an agent twice"),
    refused(
      "agents-65",
      withAgents(Array.from({ length: 65 }, (_, at) => agent(at))),
      "more agents than there may be",
    ),
    refused("agent-short", withAgents([agent(1).slice(1)]), "63 digits for an agent"),
    refused("agent-empty", withAgents([agent(1), ""]), "an agent without a name"),
  ];
}

function values(): Vector[] {
  return [
    refused("version-2", edited(full, 'version="1"', 'version="2"'), "a version nobody knows"),
    refused("serial-short", inside("serial", request.serial.slice(1)), "31 digits for a serial"),
    refused("serial-upper-case", inside("serial", "A".repeat(32)), "a serial in upper case"),
    refused("broker-url", inside("broker_sha256", "https://broker:9001/"), "an address for a broker"),
    refused("broker-sha1", inside("broker_sha256", "b".repeat(40)), "a SHA-1 for a broker"),
    refused("time-no-day", inside("validto_time", "2030-02-30 12:00:00"), "a day there is not"),
    refused("time-iso", inside("validto_time", "2030-01-01T13:00:00Z"), "another form of time"),
  ];
}

const TERSE = "<slice><name>ab</name><nodes>1</nodes><lease_seconds>60</lease_seconds></slice>";

function descriptions(): Vector[] {
  const program = edited(TERSE, "</slice>", "<program><command>./run.sh</command></program></slice>");
  const base64 = Buffer.from(TERSE).toString("base64");
  return [
    refused(
      "description-as-text",
      inside("description", "oceanstore"),
      "a description that is not in base64",
    ),
    refused("description-unpadded", inside("description", edited(base64, /=+$/, "")), "the padding left out"),
    refused(
      "description-folded",
      inside("description", `${base64.slice(0, 60)}\n${base64.slice(60)}`),
      "base64 in two lines",
    ),
    refused("description-element", inside("description", TERSE), "the description as elements"),
    refused(
      "description-program",
      described(program),
      "a program, which nobody needs but the service manager",
    ),
    refused("description-not-xml", described("nodes: 3"), "no XML"),
    refused("description-doctype", described(`<!DOCTYPE slice>${TERSE}`), "a DOCTYPE inside"),
    refused(
      "description-two-names",
      described(edited(TERSE, "<name>", "<name>b</name><name>")),
      "two names inside",
    ),
    refused(
      "description-not-utf-8",
      described(Buffer.concat([Buffer.from(TERSE), Buffer.of(0xff)])),
      "a byte that is no UTF-8",
    ),
    refused("description-name", described(edited(TERSE, ">ab<", ">root<")), "a reserved name", "BAD_NAME"),
    refused("too-large", described(TERSE + " ".repeat(12_000)), "a body above 16 KiB", "TOO_LARGE"),
  ];
}

/** Every element: left out and, unless it is repeated, doubled. */
function elements(): Vector[] {
  const lines = full.split("\n").slice(2, -1);
  return [
    refused(
      "unknown-element",
      edited(full, "</request>", "<count>9</count></request>"),
      "an element nobody knows",
    ),
    refused("attribute", edited(full, "<serial>", '<serial kind="x">'), "an attribute nobody knows"),
    ...lines.flatMap((line) => {
      const [, name = ""] = /<([a-z_0-9]+)>/.exec(line)!;
      return [
        ...(name === "agent_sha256" ? [] : [refused(`no-${name}`, edited(full, line, ""), `no <${name}>`)]),
        refused(`two-${name}`, edited(full, line, line + line), `<${name}> twice`),
      ];
    }),
  ];
}

function agent(number: number): string {
  return number.toString(16).padStart(64, "a");
}

function withAgents(agents: readonly string[]): string {
  return writeRequest({ ...request, agents }).toString();
}

function described(description: string | Buffer): string {
  return inside("description", Buffer.from(description).toString("base64"));
}

function inside(element: string, value: string): string {
  return edited(full, new RegExp(`<${element}>.*</${element}>`), `<${element}>${value}</${element}>`);
}
