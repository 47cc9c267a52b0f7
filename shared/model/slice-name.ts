import { refuseUnless } from "./errors.ts";

const SLICE_NAME = /^[a-z][a-z0-9]{0,15}(_[a-z0-9]{1,15})?$/;

/** Login names that a machine, a reference image or v0.5 already uses: a slice's name is a login name too. */
const RESERVED: ReadonlySet<string> = new Set(
  `root bin daemon adm lp sync shutdown halt mail news uucp operator games gopher ftp nobody vcsa mailnull rpm rpc
   rpcuser nfsnobody nscd ident radvd apache squid named sshd ntp sys man proxy backup list irc gnats messagebus
   www postgres redis docker sudo wheel admin administrator test guest toor node agent broker authority slicelab
   planetlab pl netbed vserver host localhost`.split(/\s+/),
);

/** Whether a name is one a slice may have. The whole string counts: no newline sneaks in after it. */
export function isSliceName(name: string): boolean {
  return SLICE_NAME.test(name) && !name.includes("\n") && !RESERVED.has(name);
}

/** Gives the name back. Throws BAD_NAME unless it can name a slice. */
export function checkSliceName(name: string): string {
  refuseUnless(
    isSliceName(name),
    "BAD_NAME",
    `"${printable(name)}" cannot name a slice; use up to 16 lower-case letters and digits beginning with a letter, ` +
      "optionally followed by _ and up to 15 more, and no system login name",
  );
  return name;
}

/** Whether `name` is the prefix itself or lies below it: "princeton" covers "princeton" and "princeton_dns". */
export function isUnderPrefix(name: string, prefix: string): boolean {
  return name === prefix || name.startsWith(`${prefix}_`);
}

function printable(name: string): string {
  return name.slice(0, 40).replace(/[^\x20-\x7e]/g, "?");
}
