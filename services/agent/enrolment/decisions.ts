import { createHash } from "node:crypto";
import { isIP } from "node:net";
import { certificateFacts, parseCertificate } from "#shared/identity/certificate.ts";
import { publicKeyFromRequest } from "#shared/identity/certificate-request.ts";
import type { KeyName } from "#shared/identity/key.ts";
import type { Trust } from "#shared/identity/trust.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import type { Tx } from "#shared/runtime/database.ts";
import type { Office } from "../registry/office.ts";
import { decideEnrolment, enrolmentById, type StoredEnrolment } from "../store/enrolment/enrolments.ts";
import { invitationOf, type StoredInvitation } from "../store/enrolment/invitations.ts";
import { isNodeAddress } from "../store/registry/nodes.ts";
import { findPrincipal, type Role } from "../store/registry/principals.ts";
import {
  copyRolePrivileges,
  insertNode,
  insertPrincipal,
  type Location,
} from "../store/registry/registry.ts";
import type { Registrar } from "./registrar.ts";

/** What an administrator says of a newcomer; what is not said is taken from its invitation. */
export type Approval = Location & {
  readonly role?: Exclude<Role, "node">;
  readonly name?: string;
  readonly site?: string;
  readonly addresses?: readonly string[];
  readonly days?: number;
  /** Issued offline by the authority's operator (PEM): where no authority serves. */
  readonly certificate?: string;
};

/** Who certifies, and whose certificates count. */
export type CertifiedBy = { readonly registrar?: Registrar; readonly trust: () => Trust };

/** What is granted, whole. */
type Terms = {
  readonly name: string;
  /** Null: it is certified and not registered. */
  readonly role: Role | null;
  readonly site?: string;
  readonly addresses: readonly string[];
  readonly days?: number;
};

/**
 * Certifies and registers a newcomer: certified first, registered in one transaction after, so that whatever ends in
 * between is repeated as if it had not begun. Throws OperatorError for what does not fit, and what the authority throws.
 */
export async function approve(
  office: Office,
  { registrar, trust }: CertifiedBy,
  id: string,
  approval: Approval = {},
): Promise<KeyName> {
  const { enrolment, terms } = await office.read((tx) => examine(tx, id, approval));
  const { certificate: offline } = approval;
  const certificate =
    offline === undefined
      ? await certified(registrar, enrolment, terms)
      : checkedCertificate(offline, enrolment, trust());
  const { name, role, addresses } = terms;
  const detail = { enrolment: id, key: enrolment.key, kind: enrolment.kind, name, role, addresses };
  return await office.act("approve enrolment", detail, async (tx) => {
    const now = office.clock.now();
    if (!(await decideEnrolment(tx, id, { by: office.who, now, certificate })))
      throw new OperatorError("this request was decided a moment ago");
    await register(tx, enrolment, { ...approval, ...terms }, now);
    return enrolment.key;
  });
}

export async function refuse(office: Office, id: string, reason?: string): Promise<void> {
  await office.act("refuse enrolment", { enrolment: id, reason }, async (tx) => {
    await waiting(tx, id);
    const now = office.clock.now();
    await decideEnrolment(tx, id, { by: office.who, now, reason: reason ?? "an administrator refused it" });
  });
}

async function waiting(tx: Tx, id: string): Promise<StoredEnrolment> {
  const enrolment = await enrolmentById(tx, id);
  if (!enrolment) throw new OperatorError(`there is no enrolment ${id}`);
  if (enrolment.state !== "waiting") throw new OperatorError(`this enrolment is ${enrolment.state} already`);
  return enrolment;
}

/** What is granted to whom. What would fail after it was certified is refused before. */
async function examine(
  tx: Tx,
  id: string,
  approval: Approval,
): Promise<{ readonly enrolment: StoredEnrolment; readonly terms: Terms }> {
  const enrolment = await waiting(tx, id);
  const invitation = enrolment.invitation === null ? undefined : await invitationOf(tx, enrolment.invitation);
  const name = approval.name ?? invitation?.label ?? enrolment.wishedName;
  if (!name)
    throw new OperatorError("neither you nor the newcomer says what it is to be called; give a name");
  const role = roleOf(enrolment, invitation, approval);
  if (role !== null && (await findPrincipal(tx, name)))
    throw new OperatorError(`there is a principal called ${name} already; give another name`);
  const addresses = addressesOf(enrolment, invitation, approval);
  if (enrolment.kind === "node" && (await isNodeAddress(tx, addresses[0]!)))
    throw new OperatorError(`another node has the address ${addresses[0]}`);
  const site = approval.site ?? invitation?.site ?? undefined;
  return { enrolment, terms: { name, role, site, addresses, days: approval.days } };
}

function roleOf(
  { kind }: StoredEnrolment,
  invitation: StoredInvitation | undefined,
  { role }: Approval,
): Role | null {
  switch (kind) {
    case "node":
      if (role === undefined) return "node";
      throw new OperatorError("a node has no role; leave it out");
    case "service":
      if (role === undefined || role === "agent") return role ?? invitation?.role ?? null;
      throw new OperatorError("a service has no role or that of an agent");
    case "person": {
      const decided = role ?? invitation?.role;
      if (!decided)
        throw new OperatorError("this newcomer brought no invitation that says its role; give one");
      if (decided !== "agent") return decided;
      throw new OperatorError("a person is a researcher, pi or administrator");
    }
    default:
      return kind satisfies never;
  }
}

function addressesOf(
  { kind, wishedAddress }: StoredEnrolment,
  invitation: StoredInvitation | undefined,
  approval: Approval,
): readonly string[] {
  if (kind === "person") return [];
  const invited = invitation?.addresses ?? [];
  const wished = wishedAddress === null ? [] : [wishedAddress];
  const addresses = approval.addresses ?? (invited.length > 0 ? invited : wished);
  const [first] = addresses;
  if (first === undefined) throw new OperatorError(`say which address this ${kind} has`);
  if (kind === "node" && isIP(first) === 0)
    throw new OperatorError(`the first address of a node is its IP address, and "${first}" is none`);
  return addresses;
}

/** Asked again on the same terms the authority gives the same certificate. */
async function certified(
  registrar: Registrar | undefined,
  { id, csr, kind }: StoredEnrolment,
  { name, addresses, days }: Terms,
): Promise<string> {
  if (!registrar) {
    throw new OperatorError(
      "no authority serves this agent: have its operator issue a certificate for the request, and approve with that",
    );
  }
  const wanted = { csr, name, kind: kind === "person" ? "client" : "server", addresses, days } as const;
  const terms = createHash("sha256")
    .update(`${id} ${JSON.stringify(wanted)}`)
    .digest("hex");
  return await registrar.certify(wanted, terms);
}

function checkedCertificate(pem: string, { key, kind }: StoredEnrolment, trust: Trust): string {
  const certificate = parseCertificate(pem);
  const facts = certificateFacts(certificate);
  if (facts.key.name !== key) throw new OperatorError("the certificate is of another key than the request");
  if (!trust.vouchesFor(certificate)) {
    throw new Fault("FOREIGN_CERTIFICATE", "the certificate is of no authority that this agent believes");
  }
  const wanted = kind === "person" ? "client" : "server";
  if (facts.kind !== wanted)
    throw new OperatorError(
      `the certificate is for a ${facts.kind}, and a ${kind} needs one for a ${wanted}`,
    );
  return pem;
}

async function register(
  tx: Tx,
  { csr, kind }: StoredEnrolment,
  { name, role, site, addresses, ...where }: Terms & Location,
  now: number,
): Promise<void> {
  if (role === null) return;
  const key = publicKeyFromRequest(csr);
  await insertPrincipal(tx, key, { label: name, role, site }, now);
  if (kind === "node") await insertNode(tx, key.name, addresses[0]!, where);
  else await copyRolePrivileges(tx, key.name, role, now);
}
