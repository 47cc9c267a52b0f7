import type { PublicKey } from "../identity/key.ts";
import type { SigningKey } from "../identity/signature.ts";
import { refuseUnless } from "../model/errors.ts";
import { checkLeaseConsistent, type Lease, type SshAccess } from "../model/lease.ts";
import { formatInstant, parseInstant } from "../model/time.ts";
import { parseDocument, signDocument, type VerifiedBody, verifyDocument } from "./document.ts";
import { type Element, Fields, field, group, readRoot, writeBody } from "./element.ts";
import {
  administrativePart,
  ceilingsPart,
  portsPart,
  readAdministrative,
  readCeilings,
  readEngine,
  readImage,
  readIp,
  readName256,
  readNumber,
  readPorts,
  readResources,
  readSerial,
  readSha1,
  readSlice,
  readTerm,
  resourcesPart,
  termFields,
} from "./fields.ts";

const ELEMENTS = [
  "serial",
  "ticket_sha256",
  "node_sha256",
  "principal_sha256",
  "principle_sha1",
  "ip",
  "slice",
  "start_time",
  "end_time",
  "renewable_until_time",
  "resources",
  "ceilings",
  "engine",
  "image",
  "ports",
  "administrative",
  "sliver",
  "ssh",
] as const;

/** Verifies and reads a lease that `node` is trusted to have signed. */
export function openLease(text: string, node: PublicKey): Lease {
  const lease = readLease(verifyDocument(parseDocument(text), node));
  refuseUnless(
    lease.node === node.name,
    "WRONG_NODE",
    "the lease names another node than the one that signed it",
  );
  return lease;
}

/** Writes and signs a lease with the node's identity key. RSA is deterministic: the same lease, the same bytes. */
export function sealLease(lease: Lease, node: SigningKey): string {
  return signDocument(node, writeLease(lease));
}

export function readLease(verified: VerifiedBody): Lease {
  const fields = new Fields(readRoot(verified.body, "lease"), ELEMENTS);
  const lease: Lease = {
    serial: readSerial(fields.text("serial")),
    ticket: readName256(fields.text("ticket_sha256")),
    node: readName256(fields.text("node_sha256")),
    principal: readName256(fields.text("principal_sha256")),
    principleSha1: readSha1(fields.text("principle_sha1")),
    ip: readIp(fields.text("ip")),
    slice: readSlice(fields.text("slice")),
    term: readTerm(fields, "start_time", "end_time"),
    renewableUntil: parseInstant(fields.text("renewable_until_time")),
    resources: readResources(fields.element("resources")),
    ceilings: readCeilings(fields),
    engine: readEngine(fields.text("engine")),
    image: readImage(fields.text("image")),
    ports: readPorts(fields),
    administrative: readAdministrative(fields),
    sliver: readSliver(fields.text("sliver")),
    ssh: readSsh(fields.element("ssh")),
  };
  checkLeaseConsistent(lease);
  return lease;
}

export function writeLease(lease: Lease): Buffer {
  return writeBody("lease", [
    field("serial", lease.serial),
    field("ticket_sha256", lease.ticket),
    field("node_sha256", lease.node),
    field("principal_sha256", lease.principal),
    field("principle_sha1", lease.principleSha1),
    field("ip", lease.ip),
    field("slice", lease.slice),
    ...termFields(lease.term, "start_time", "end_time"),
    field("renewable_until_time", formatInstant(lease.renewableUntil)),
    resourcesPart(lease.resources),
    ceilingsPart(lease.ceilings),
    field("engine", lease.engine),
    field("image", lease.image),
    portsPart(lease.ports),
    administrativePart(lease.administrative),
    field("sliver", lease.sliver),
    group("ssh", [
      field("host", lease.ssh.host),
      field("port", lease.ssh.port),
      field("user", lease.ssh.user),
      field("host_key", lease.ssh.hostKey),
    ]),
  ]);
}

function readSliver(text: string): string {
  refuseUnless(/^[0-9a-f]{16}$/.test(text), "MALFORMED", "a sliver id is 16 lower-case hex digits");
  return text;
}

function readSsh(element: Element): SshAccess {
  const fields = new Fields(element, ["host", "port", "user", "host_key"]);
  const hostKey = fields.text("host_key");
  refuseUnless(
    /^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$/.test(hostKey),
    "MALFORMED",
    "ssh host_key is a type and base64",
  );
  const port = readNumber(fields.text("port"));
  refuseUnless(port >= 1 && port <= 65535, "MALFORMED", "ssh port runs from 1 to 65535");
  return { host: readIp(fields.text("host")), port, user: readSlice(fields.text("user")), hostKey };
}
