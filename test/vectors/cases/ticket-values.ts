import type { FaultName } from "#shared/model/errors.ts";
import { KEYS } from "#test/support/documents.ts";
import { edited, type Vector } from "../vector.ts";
import { holdingBody, signed, sliceBody } from "./tickets.ts";

/** Bodies that are the XML of a ticket and say what no ticket can, each properly signed. */

type Row = readonly [name: string, value: string, why: string, fault?: FaultName];

export function ticketValueVectors(): Vector[] {
  return [
    ...inElement(sliceBody, "memory_mib", NUMBERS),
    ...inElement(sliceBody, "validfrom_time", TIMES),
    ...inElement(sliceBody, "slice", NAMES),
    ...inElement(holdingBody, "slice_prefix", [["prefix-path", "../princeton", "a path", "BAD_NAME"]]),
    ...inElement(sliceBody, "ip", ADDRESSES),
    ...inElement(sliceBody, "serial", SERIALS),
    ...inElement(sliceBody, "principal_sha256", HASHES),
    ...inElement(sliceBody, "engine", [["engine-unknown", "jail", "an engine nobody has"]]),
    ...inElement(sliceBody, "image", [
      ["image-path", "../../etc", "a path for an image"],
      ["image-upper-case", "Debian", "an image in capitals"],
    ]),
    ...inElement(sliceBody, "ports", PORTS),
    ...inElement(sliceBody, "administrative", ADMINISTRATIVE),
    ...intervals(),
    ...kinds(),
    ...keys(),
  ];
}

const NUMBERS: readonly Row[] = [
  ["number-padded", "0128", "a zero in front"],
  ["number-zeroes", "00", "two zeroes"],
  ["number-negative", "-1", "below nothing"],
  ["number-minus-zero", "-0", "a sign"],
  ["number-plus", "+1", "a sign"],
  ["number-exponent", "1e3", "an exponent"],
  ["number-fraction", "1.5", "a fraction"],
  ["number-hex", "0x10", "hexadecimal"],
  ["number-13-digits", "1000000000000", "thirteen digits"],
  ["number-grouped", "1,000", "a separator"],
  ["number-space", "1 000", "a space inside"],
  ["number-unit", "128MiB", "a unit"],
  ["number-word", "NaN", "no number"],
  ["number-other-digits", "١٢٨", "digits that are not ASCII's"],
  ["number-no-break-space", "\u00a0128", "white space that is not XML's"],
];

const TIMES: readonly Row[] = [
  ["time-no-such-day", "2030-02-30 12:00:00", "30 February"],
  ["time-no-leap-day", "2030-02-29 12:00:00", "29 February of a common year"],
  ["time-month-13", "2030-13-01 12:00:00", "a thirteenth month"],
  ["time-24-hours", "2029-12-31 24:00:00", "midnight as 24:00:00"],
  ["time-60-seconds", "2029-12-31 23:59:60", "a leap second"],
  ["time-no-zero", "2030-1-01 12:00:00", "a missing zero"],
  ["time-t", "2030-01-01T12:00:00", "a T for the space"],
  ["time-zone", "2030-01-01 12:00:00Z", "a zone"],
  ["time-fraction", "2030-01-01 12:00:00.5", "half a second"],
  ["time-two-spaces", "2030-01-01  12:00:00", "two spaces"],
  ["time-date-only", "2030-01-01", "a day alone"],
  ["time-seconds", "1893499200", "seconds since 1970"],
  ["time-year-5-digits", "12030-01-01 12:00:00", "a year of five digits"],
  ["time-year-negative", "-030-01-01 12:00:00", "a year before the first"],
];

const NAMES: readonly Row[] = [
  ["name-path", "../princeton", "a path", "BAD_NAME"],
  ["name-newline", "princeton\ndns", "a newline inside", "BAD_NAME"],
  ["name-space", "princeton dns", "a space", "BAD_NAME"],
  ["name-upper-case", "Princeton_dns", "a capital", "BAD_NAME"],
  ["name-digit-first", "1princeton", "a digit first", "BAD_NAME"],
  ["name-underscore-last", "princeton_", "nothing after the underscore", "BAD_NAME"],
  ["name-two-underscores", "princeton_dns_two", "a second underscore", "BAD_NAME"],
  ["name-too-long", "abcdefghijklmnopq", "seventeen characters", "BAD_NAME"],
  ["name-too-long-below", "a_bcdefghijklmnopq", "sixteen characters after the underscore", "BAD_NAME"],
  ["name-option", "-rf", "an option of a command", "BAD_NAME"],
  ["name-root", "root", "a login name of every machine", "BAD_NAME"],
];

const ADDRESSES: readonly Row[] = [
  ["ip-out-of-range", "10.77.0.256", "a byte of 256"],
  ["ip-three-parts", "10.77.1", "three parts"],
  ["ip-padded", "10.77.0.01", "a zero in front, octal to some"],
  ["ip-host-name", "node.example.org", "a name"],
  ["ip-port", "10.77.0.1:22", "a port"],
  ["ip-zone", "fe80::1%eth0", "a zone, which means something else on every machine"],
];

const SERIALS: readonly Row[] = [
  ["serial-short", "abc", "too few digits"],
  ["serial-upper-case", "AB".repeat(16), "capital digits"],
];

const HASHES: readonly Row[] = [
  ["sha256-short", "ab".repeat(31), "62 digits"],
  ["sha256-upper-case", "AB".repeat(32), "capital digits"],
  ["sha256-not-hex", "xy".repeat(32), "no hexadecimal"],
];

const PORTS: readonly Row[] = [
  ["port-0", '<port protocol="tcp" from="0" to="80"/>', "port 0"],
  ["port-65536", '<port protocol="tcp" from="80" to="65536"/>', "a port above 65535"],
  ["port-inverted", '<port protocol="tcp" from="81" to="80"/>', "a range that ends before it starts"],
  ["port-protocol", '<port protocol="icmp" from="1" to="2"/>', "a protocol without ports"],
  ["port-padded", '<port protocol="tcp" from="080" to="81"/>', "a zero in front"],
  ["port-no-to", '<port protocol="tcp" from="80"/>', "no end"],
  ["port-empty-from", '<port protocol="tcp" from="" to="80"/>', "an empty start"],
  ["port-attribute", '<port protocol="tcp" from="80" to="80" open="yes"/>', "an attribute nobody knows"],
  ["port-text", '<port protocol="tcp" from="80" to="80">80</port>', "text in a port"],
  ["port-other-element", '<range protocol="tcp" from="80" to="80"/>', "another element in the list"],
  ["ports-text", "80", "text for a list"],
];

const ADMINISTRATIVE: readonly Row[] = [
  ["administrative-empty", "", "no capability", "BAD_CHAIN"],
  ["capability-unknown", "<capability>CAP_MAKE_COFFEE</capability>", "a capability that cannot be granted"],
  ["capability-list", "<capability>CAP_NET_RAW,CAP_NET_ADMIN</capability>", "two in one element"],
  ["capability-lower-case", "<capability>cap_net_raw</capability>", "lower case"],
  ["capability-twice", "<capability>CAP_BPF</capability>".repeat(2), "one listed twice"],
  ["capability-text", "CAP_NET_RAW", "text for a list"],
  ["capability-other-element", "<power>CAP_NET_RAW</power>", "another element in the list"],
];

function inElement(body: string, element: string, rows: readonly Row[]): Vector[] {
  return rows.map(([name, value, why, fault = "MALFORMED"]) =>
    refused(name, inside(body, element, value), why, fault),
  );
}

function intervals(): Vector[] {
  const at = (element: string, time: string) => inside(sliceBody, element, `2030-01-${time}`);
  return [
    refused("validity-empty", at("validto_time", "01 12:00:00"), "a window that ends when it starts"),
    refused("validity-inverted", at("validto_time", "01 11:59:59"), "a window that ends before it starts"),
    refused("term-empty", at("end_time", "01 12:00:00"), "a term that ends when it starts"),
    refused("term-inverted", at("start_time", "02 12:00:01"), "a term that ends before it starts"),
    refused(
      "redeemable-after-term",
      at("validto_time", "02 12:00:01"),
      "redeemable a second after its term",
      "BAD_CHAIN",
    ),
    refused(
      "renewable-before-end",
      at("renewable_until_time", "02 11:59:59"),
      "renewable to before its end",
      "BAD_CHAIN",
    ),
  ];
}

/** A ticket is a holding or a slice ticket; whatever is between is a bad chain. */
function kinds(): Vector[] {
  const key = /<principal_key>.*<\/principal_key>/.exec(holdingBody)![0];
  const into = (body: string, element: string) => edited(body, "</ticket>", `${element}</ticket>`);
  const mixed = (name: string, body: string, why: string) => refused(name, body, why, "BAD_CHAIN");
  const slivers = "<slivers>1</slivers></resources>";
  return [
    mixed("holding-with-slice", into(holdingBody, "<slice>princeton_dns</slice>"), "redeemed and split"),
    mixed("slice-with-key", into(sliceBody, key), "redeemed and split"),
    mixed("slice-that-splits", inside(sliceBody, "splits", "1"), "a slice ticket that splits"),
    mixed("holding-that-does-not-split", inside(holdingBody, "splits", "0"), "a holding that splits no more"),
    mixed("splits-4", inside(holdingBody, "splits", "4"), "more links than a chain has"),
    mixed(
      "slice-with-prefix",
      into(sliceBody, "<slice_prefix>princeton</slice_prefix>"),
      "a prefix for one slice",
    ),
    mixed(
      "slice-that-replaces",
      into(sliceBody, `<replaces_sha256>${"ab".repeat(32)}</replaces_sha256>`),
      "only holdings replace",
    ),
    mixed(
      "holding-renewable",
      into(holdingBody, "<renewable_until_time>2030-01-02 12:00:00</renewable_until_time>"),
      "holdings are not renewed",
    ),
    refused(
      "slice-with-slivers",
      edited(sliceBody, "</resources>", slivers),
      "a slice ticket counts as one sliver",
    ),
    refused(
      "holding-without-slivers",
      edited(holdingBody, /<slivers>.*<\/slivers>/, ""),
      "a holding says how many slivers",
    ),
    refused(
      "ceiling-of-memory",
      edited(sliceBody, "<ceilings>", "<ceilings><memory_mib>1</memory_mib>"),
      "memory has no ceiling",
    ),
    refused("no-memory", edited(sliceBody, /<memory_mib>.*<\/memory_mib>/, ""), "a resource left out"),
    refused(
      "two-memories",
      edited(sliceBody, "<memory_mib>", "<memory_mib>1</memory_mib><memory_mib>"),
      "a resource twice",
    ),
  ];
}

const P256_COMPRESSED = Buffer.from(
  "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgAC7r/XPcE8IdGqNMo6dxv15Xh5a7WilDCABJk87gIOOUA=",
  "base64",
);
const P256 = Buffer.from(
  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEwM1kuw3oi69BooE/WU7Uk4Iw8/y45Q1QMy9QQLDj9QI/PAnsUBhhQXkjaAKaF8KZ" +
    "NIoMMw3C3S+yoxkd1g5DbQ==",
  "base64",
);
const RSA_1024 = Buffer.from(
  "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCZU7gAqVUZ75h7cqE154VmCnSdyezmdQ+F4esn4J95JyFG8WXm3RAm6ShY3Hoy" +
    "B3ntH95C+p1ZDjvHXC1Co/tpYfhYp/MuyPt957wrRpvhNdWRxzns/vZJaPu4cLLBBRVG7myjjWEL6XidmWw7x7doBCtqwTfP9K+E" +
    "LNvwHIs60wIDAQAB",
  "base64",
);
const X25519 = Buffer.from("MCowBQYDK2VuAyEAkkrQ19vbLDp5bfYWrj6CDkZH5/cm4jc3m9ty5285aHI=", "base64");

/** A key has one encoding and so one name; weak and unknown keys have none. */
function keys(): Vector[] {
  const branch = KEYS.branch.public.spki;
  const withKey = (spki: Buffer) => inside(holdingBody, "principal_key", spki.toString("base64"));
  const text = branch.toString("base64");
  return [
    refused(
      "key-of-another",
      withKey(KEYS.mallory.public.spki),
      "not the key that principal_sha256 names",
      "BAD_CHAIN",
    ),
    refused(
      "key-trailing-byte",
      withKey(Buffer.concat([branch, Buffer.of(0)])),
      "an alias: a byte after the key",
      "WEAK_KEY",
    ),
    refused(
      "key-long-length",
      withKey(Buffer.concat([Buffer.of(0x30, 0x81, 0x2a), branch.subarray(2)])),
      "an alias: a length in more bytes than it needs",
      "WEAK_KEY",
    ),
    refused("key-p256-compressed", withKey(P256_COMPRESSED), "an alias: a compressed point", "WEAK_KEY"),
    refused("key-p256", withKey(P256), "a key for TLS, which signs no documents", "ALGORITHM_FORBIDDEN"),
    refused("key-rsa-1024", withKey(RSA_1024), "an RSA key that is too short", "WEAK_KEY"),
    refused("key-x25519", withKey(X25519), "a key that cannot sign", "WEAK_KEY"),
    refused("key-cut", withKey(branch.subarray(0, -1)), "a key that is cut short"),
    refused("key-not-base64", inside(holdingBody, "principal_key", "not a key"), "no base64"),
    refused(
      "key-no-padding",
      inside(holdingBody, "principal_key", text.replaceAll("=", "")),
      "base64 without its padding",
    ),
    refused(
      "key-folded",
      inside(holdingBody, "principal_key", `${text.slice(0, 20)}\n${text.slice(20)}`),
      "base64 on two lines",
    ),
  ];
}

function inside(body: string, element: string, value: string): string {
  return edited(body, new RegExp(`<${element}>.*</${element}>`), `<${element}>${value}</${element}>`);
}

function refused(name: string, body: string, why: string, fault: FaultName = "MALFORMED"): Vector {
  const { id: _, ...vector } = signed(name, body, why);
  return { ...vector, fault };
}
