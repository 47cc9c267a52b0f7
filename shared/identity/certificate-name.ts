import { refuseUnless } from "../model/errors.ts";

const NAME = /^(?=.{1,64}$)[A-Za-z0-9]([A-Za-z0-9 ._@-]*[A-Za-z0-9._@-])?$/;

/**
 * Throws BAD_NAME unless a certificate may carry this name: short (RFC 5280 allows a common name 64 characters),
 * printable, and as harmless in a file name or a terminal as in a certificate.
 */
export function refuseBadName(name: string): void {
  refuseUnless(
    NAME.test(name),
    "BAD_NAME",
    "a name is 1 to 64 letters, digits, spaces or . _ @ -, begins with a letter or digit and ends with no space",
  );
}
