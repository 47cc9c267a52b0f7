import { refuseUnless } from "../model/errors.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$/;

/**
 * Throws BAD_NAME unless a certificate may carry this name: short (RFC 5280 allows a common name 64 characters),
 * printable, and as harmless in a file name or a terminal as in a certificate.
 */
export function refuseBadName(name: string): void {
  refuseUnless(
    NAME.test(name),
    "BAD_NAME",
    "a name is 1 to 64 letters, digits, spaces or . _ @ -, and begins with a letter or digit",
  );
}
