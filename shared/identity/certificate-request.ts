import { verify } from "node:crypto";
import forge from "node-forge";
import { Fault, refuseUnless } from "../model/errors.ts";
import { commonName, signWithOpenssl } from "./forge.ts";
import { type PublicKey, publicKeyFromSpki } from "./key.ts";
import type { SigningKey } from "./signature.ts";

const { asn1 } = forge;
type Asn1 = forge.asn1.Asn1;

const MAX_REQUEST_CHARACTERS = 16_384;
const REQUEST_LABELS = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
/** The digest of each accepted AlgorithmIdentifier in DER: RSA with SHA-2 and a NULL parameter (RFC 4055 §5). */
const DIGESTS = new Map([
  ["300d06092a864886f70d01010b0500", "sha256"],
  ["300d06092a864886f70d01010c0500", "sha384"],
  ["300d06092a864886f70d01010d0500", "sha512"],
]);

/**
 * A certificate request (PKCS#10, PEM) for an RSA key, signed by it. The name in it is a courtesy to whoever looks at
 * the file: the authority takes the key from a request and nothing else. Throws BAD_NAME.
 */
export function createCertificateRequest(key: SigningKey, name: string): string {
  const request = forge.pki.createCertificationRequest();
  request.publicKey = forge.pki.publicKeyFromPem(
    key.public.object.export({ format: "pem", type: "spki" }) as string,
  );
  request.setSubject(commonName(name));
  signWithOpenssl(request, key);
  return forge.pki.certificationRequestToPem(request).replaceAll("\r\n", "\n");
}

/**
 * The public key of a certificate request, and only that: names, usages, addresses and constraints it asks for are
 * never looked at. The requester has proved that it holds the private key.
 *
 * Throws MALFORMED for anything but one DER-encoded PKCS#10 request, WEAK_KEY for a key other than RSA 2048–4096,
 * ALGORITHM_FORBIDDEN for a signature other than RSA with SHA-2, BAD_SIGNATURE.
 */
export function publicKeyFromRequest(pem: string): PublicKey {
  const { signed, spki, algorithm, signature } = parseRequest(requestDer(pem));
  const key = rsaKey(spki);
  const digest = DIGESTS.get(algorithm);
  refuseUnless(
    digest,
    "ALGORITHM_FORBIDDEN",
    "the request is not signed by RSA with SHA-256, SHA-384 or SHA-512; make it again with -sha256",
  );
  refuseUnless(
    verify(digest, signed, key.object, signature),
    "BAD_SIGNATURE",
    "the request is not signed by the key it names; make it again",
  );
  return key;
}

function rsaKey(spki: Buffer): PublicKey {
  const key = publicKeyFromSpki(spki);
  refuseUnless(
    key.algorithm === "rsa",
    "WEAK_KEY",
    `this authority certifies RSA keys of 2048 to 4096 bits, not ${key.algorithm} keys`,
  );
  return key;
}

function requestDer(pem: string): Buffer {
  const fault = new Fault("MALFORMED", "this is not one certificate request in PEM");
  if (pem.length > MAX_REQUEST_CHARACTERS) throw fault;
  const block = /^-----BEGIN ([A-Z ]+)-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END \1-----$/.exec(pem.trim());
  if (!block || !REQUEST_LABELS.includes(block[1]!)) throw fault;
  return Buffer.from(block[2]!, "base64");
}

type ParsedRequest = {
  readonly signed: Buffer;
  readonly spki: Buffer;
  readonly algorithm: string;
  readonly signature: Buffer;
};

/** RFC 2986 §4: SEQUENCE { SEQUENCE { version, subject, subjectPublicKeyInfo, … }, algorithm, signature }. */
function parseRequest(der: Buffer): ParsedRequest {
  const root = parseDer(der);
  const [info, algorithm, signature] = children(root, 3);
  const [, , spki] = children(info!, 4);
  const bits = bitString(signature!);
  refuseUnless(bits[0] === 0, "MALFORMED", "the request's signature is not whole bytes");
  return {
    signed: encode(info!),
    spki: encode(spki!),
    algorithm: encode(algorithm!).toString("hex"),
    signature: bits.subarray(1),
  };
}

/** Only bytes that are written back as they were: then what a part is written as is what the requester signed. */
function parseDer(der: Buffer): Asn1 {
  let root: Asn1;
  try {
    // forge's types lack the options object
    root = asn1.fromDer(der.toString("binary"), {
      strict: true,
      parseAllBytes: true,
      decodeBitStrings: false,
    } as never);
  } catch (cause) {
    throw new Fault("MALFORMED", "the certificate request is not DER", { cause });
  }
  refuseUnless(
    encode(root).equals(der),
    "MALFORMED",
    "the certificate request is not in its canonical encoding",
  );
  return root;
}

function encode(part: Asn1): Buffer {
  return Buffer.from(asn1.toDer(part).getBytes(), "binary");
}

function children(part: Asn1, count: number): Asn1[] {
  refuseUnless(
    part.tagClass === asn1.Class.UNIVERSAL &&
      part.type === asn1.Type.SEQUENCE &&
      Array.isArray(part.value) &&
      part.value.length === count,
    "MALFORMED",
    "the certificate request does not have the parts of one",
  );
  return part.value as Asn1[];
}

function bitString(part: Asn1): Buffer {
  refuseUnless(
    part.tagClass === asn1.Class.UNIVERSAL &&
      part.type === asn1.Type.BITSTRING &&
      typeof part.value === "string",
    "MALFORMED",
    "the certificate request does not have the parts of one",
  );
  return Buffer.from(part.value, "binary");
}
