import pg from "pg";
import { Fault } from "../model/errors.ts";

/** SQLSTATE classes in which the database, not the statement, is at fault. */
const DOWN_CLASSES = new Set([
  "08", // connection exceptions
  "53", // disk full, out of memory, too many connections
  "58", // input/output errors
  "F0", // its configuration
  "XX", // internal errors, corruption
]);

const DOWN = new Set([
  "25006", // read-only: a standby, or somebody's emergency brake
  "28000", // may not log in
  "28P01", // wrong password
  "3D000", // no such database
  "57P01", // being shut down
  "57P02", // crashed
  "57P03", // still starting
  "57P05", // session ended for idling
]);

const SLOW = new Set([
  "55P03", // lock not available
  "57014", // statement timeout
  "25P03", // idle in transaction
  "25P04", // transaction timeout
]);

/**
 * What to throw for `error` from the driver: STORE_DOWN, BUSY, or the error itself where it is about the statement.
 * The driver's own errors, which have no SQLSTATE, are all about the connection, except for mistakes in calling it.
 */
export function storeFault(error: unknown): unknown {
  if (error instanceof Fault || error instanceof TypeError || error instanceof RangeError) return error;
  if (!(error instanceof pg.DatabaseError)) return down(error);
  const code = error.code ?? "";
  if (DOWN.has(code) || DOWN_CLASSES.has(code.slice(0, 2))) return down(error);
  if (SLOW.has(code)) {
    return new Fault("BUSY", "the database took too long; try again", { cause: error });
  }
  return error;
}

function down(cause: unknown): Fault {
  return new Fault("STORE_DOWN", "the database cannot be reached or cannot work; try again later", { cause });
}
