/**
 * What XML-RPC carries, as it stands in JavaScript: `string` (also untyped values), `number` (`int`, `i4`, `i8`,
 * `double`), `boolean`, `null` (`nil`), `Date` (`dateTime.iso8601`, UTC, whole seconds), `Buffer` (`base64`), arrays
 * and structs. Structs that were read have no prototype, so that a member called `__proto__` is a member and nothing
 * else.
 */
export type Value = string | number | boolean | null | Date | Buffer | Value[] | Struct;

export type Struct = { [member: string]: Value };

/** How much one message may hold. `maxNesting` counts arrays and structs inside each other. */
export type MessageLimits = {
  readonly maxBytes: number;
  readonly maxValues: number;
  readonly maxNesting: number;
};

/** What anybody may send to a server (WIRE.md §2). */
export const REQUEST_LIMITS: MessageLimits = { maxBytes: 1024 ** 2, maxValues: 20_000, maxNesting: 16 };

/** What a client takes from the server it called. */
export const REPLY_LIMITS: MessageLimits = { maxBytes: 16 * 1024 ** 2, maxValues: 1_000_000, maxNesting: 16 };

/** Whether a value is written as a struct. */
export function isStruct(value: unknown): value is Struct {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !Buffer.isBuffer(value) &&
    !(value instanceof Date)
  );
}
