import type { Lease } from "#shared/model/lease.ts";
import { writeLease } from "#shared/wire/lease-document.ts";
import { chainOf, KEYS, leaseFor, sealBody } from "#test/support/documents.ts";
import { sealedWith } from "../sealed.ts";
import { edited, type Vector } from "../vector.ts";

/** Leases, as their principal reads them: it trusts the key of the node it asked (WIRE.md §1, Lease). */

const chain = chainOf(2);
const given = { key: "node" };
const { taken, refused } = sealedWith(KEYS.node, given);

const FULL: Lease = leaseFor(chain.leaf, {
  ceilings: { cpuMillis: 1000, egressKbps: 5000 },
  ports: [{ protocol: "tcp", from: 8080, to: 8081 }],
  administrative: ["CAP_NET_RAW"],
});
const fullBody = writeLease(FULL).toString();

export function leaseVectors(): Vector[] {
  return [...validLeases(), ...signers(), ...values(), ...elements()];
}

function validLeases(): Vector[] {
  return [
    taken("lease", writeLease(leaseFor(chain.leaf)).toString(), "a lease with what it must have"),
    taken("lease-full", fullBody, "a lease with every element there is"),
    taken("renewed-to-the-end", inside("end_time", "2030-01-03 12:00:00"), "as far as it can be renewed"),
  ];
}

function signers(): Vector[] {
  const lineage = chain.holdings[0].lineage;
  const withParent = sealBody(Buffer.from(fullBody), KEYS.node, lineage).text;
  return [
    refused("signed-by-its-principal", fullBody, "nobody but a node makes leases", "UNKNOWN_KEY", KEYS.alice),
    refused(
      "signed-by-another-node",
      fullBody,
      "properly signed by a node that was not asked",
      "UNKNOWN_KEY",
      KEYS.otherNode,
    ),
    refused(
      "of-another-node",
      inside("node_sha256", KEYS.otherNode.public.name),
      "the node signs in another's name",
      "WRONG_NODE",
    ),
    refused(
      "ticket-as-lease",
      fullBody.replaceAll("<lease ", "<ticket ").replace("</lease>", "</ticket>"),
      "a ticket is no lease",
      "WRONG_TYPE",
    ),
    {
      name: "with-a-parent",
      text: withParent,
      why: "no signature covers a lease's header",
      fault: "MALFORMED",
      given,
    },
  ];
}

function values(): Vector[] {
  const rows: [string, string, string, string][] = [
    ["sliver-long", "sliver", "00000000000000a1f", "a sliver's id has sixteen digits"],
    ["sliver-path", "sliver", "../../../../a1/", "a path for a sliver"],
    ["ssh-port-0", "port", "0", "port 0"],
    ["ssh-port-65536", "port", "65536", "a port above 65535"],
    ["ssh-host-name", "host", "node.example.org", "a name for an address"],
    ["ssh-host-option", "host", "-oProxyCommand=x", "an option of ssh for an address"],
    ["host-key-two-lines", "host_key", "ssh-ed25519 AAAA\nssh-rsa AAAA", "two host keys"],
    ["host-key-marker", "host_key", "@cert-authority * ssh-ed25519 AAAA", "a marker before the key"],
    ["host-key-comment", "host_key", "ssh-ed25519 AAAA node", "a comment after the key"],
    ["term-empty", "end_time", "2030-01-01 12:00:00", "a term that ends when it starts"],
    ["renewable-before-end", "renewable_until_time", "2030-01-02 11:59:59", "renewable to before its end"],
    ["administrative-empty", "administrative", "", "no capability"],
    ["engine-unknown", "engine", "jail", "an engine nobody has"],
  ];
  return [
    ...rows.map(([name, element, value, why]) => refused(name, inside(element, value), why)),
    refused("slice-name", inside("slice", "../etc"), "a path for a name", "BAD_NAME"),
    refused("ssh-user", inside("user", "root"), "a login name that is no slice", "BAD_NAME"),
  ];
}

const OPTIONAL = /^(ceilings|ports|administrative)$/;

/** Every element: doubled, and, unless it is optional, left out. */
function elements(): Vector[] {
  const lines = fullBody.split("\n").slice(2, -1);
  return [
    refused(
      "unknown-element",
      edited(fullBody, "</lease>", "<state>live</state></lease>"),
      "a lease never says what is so now",
    ),
    refused(
      "unknown-in-ssh",
      edited(fullBody, "</ssh>", "<password>x</password></ssh>"),
      "an element nobody knows",
    ),
    ...lines.flatMap((line) => {
      const [, name = ""] = /<([a-z_0-9]+)>/.exec(line)!;
      const two = refused(`two-${name}`, edited(fullBody, line, line + line), `<${name}> twice`);
      return OPTIONAL.test(name)
        ? [two]
        : [two, refused(`no-${name}`, edited(fullBody, line, ""), `no <${name}>`)];
    }),
  ];
}

function inside(element: string, value: string): string {
  return edited(fullBody, new RegExp(`<${element}>.*</${element}>`), `<${element}>${value}</${element}>`);
}
