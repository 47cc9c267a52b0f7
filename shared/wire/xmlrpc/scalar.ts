import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Value } from "./value.ts";

/** The elements that hold one value as text, and how that text is read. Anything inexact is MALFORMED. */
export const SCALARS: ReadonlyMap<string, (text: string) => Value> = new Map<string, (text: string) => Value>(
  [
    ["string", (text) => text],
    ["int", (text) => readInteger(text, -(2 ** 31), 2 ** 31 - 1)],
    ["i4", (text) => readInteger(text, -(2 ** 31), 2 ** 31 - 1)],
    ["i8", (text) => readInteger(text, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)],
    ["boolean", readBoolean],
    ["double", readDouble],
    ["dateTime.iso8601", readDateTime],
    ["base64", readBase64],
    ["nil", readNil],
  ],
);

function readInteger(text: string, least: number, most: number): number {
  refuseUnless(/^[+-]?\d{1,20}$/.test(text), "MALFORMED", `"${excerpt(text)}" is not an integer`);
  const number = Number(text);
  refuseUnless(
    number >= least && number <= most,
    "MALFORMED",
    `${text} is outside ${least} to ${most}, which is what this type carries here`,
  );
  return number === 0 ? 0 : number;
}

function readBoolean(text: string): boolean {
  refuseUnless(
    text === "0" || text === "1",
    "MALFORMED",
    `"${excerpt(text)}" is not a boolean; write 0 or 1`,
  );
  return text === "1";
}

const DOUBLE = /^[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,3})?$/;

/** An exponent is not XML-RPC, but Python writes one. */
function readDouble(text: string): number {
  const number = DOUBLE.test(text) ? Number(text) : Number.NaN;
  refuseUnless(Number.isFinite(number), "MALFORMED", `"${excerpt(text)}" is not a finite decimal number`);
  return number;
}

const DATE_TIME = /^(\d{4})(-?)(\d\d)\2(\d\d)T(\d\d):(\d\d):(\d\d)Z?$/;

function readDateTime(text: string): Date {
  const part = DATE_TIME.exec(text);
  const iso = part && `${part[1]}-${part[3]}-${part[4]}T${part[5]}:${part[6]}:${part[7]}.000Z`;
  const date = new Date(iso ?? Number.NaN);
  if (Number.isNaN(date.getTime()) || date.toISOString() !== iso) {
    throw new Fault("MALFORMED", `"${excerpt(text)}" is not a time; write YYYYMMDDTHH:MM:SS in UTC`);
  }
  return date;
}

/** White space may stand between the digits, as Python wraps lines; otherwise one byte string has one spelling. */
function readBase64(text: string): Buffer {
  const digits = /[ \t\r\n]/.test(text) ? text.replace(/[ \t\r\n]+/g, "") : text;
  const bytes = Buffer.from(digits, "base64");
  refuseUnless(
    bytes.toString("base64") === digits,
    "MALFORMED",
    "a base64 value is not in its canonical form",
  );
  return bytes;
}

function readNil(text: string): null {
  refuseUnless(text === "", "MALFORMED", "a nil has content; leave it empty");
  return null;
}

function excerpt(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** A number as its element: integers as `int` or `i8`, all else as a decimal `double` without exponent. */
export function writeNumber(number: number): string {
  if (number === (number | 0)) return `<int>${number | 0}</int>`;
  if (Number.isSafeInteger(number)) return `<i8>${number}</i8>`;
  refuseUnless(Number.isFinite(number), "MALFORMED", `${number} cannot be written in XML-RPC`);
  return `<double>${plainDecimal(number)}</double>`;
}

/** The shortest decimal that reads back as the same number, without an exponent. */
function plainDecimal(number: number): string {
  const text = String(number);
  const [mantissa, exponent] = text.split("e");
  if (exponent === undefined) return text;
  const sign = number < 0 ? "-" : "";
  const [whole = "", fraction = ""] = mantissa!.replace("-", "").split(".");
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  return point <= 0
    ? `${sign}0.${"0".repeat(-point)}${digits}`
    : `${sign}${digits.padEnd(point, "0").slice(0, point)}${digits.length > point ? `.${digits.slice(point)}` : ""}`;
}

/** A date as its element's text. XML-RPC has no fractions of a second, and years of four digits. */
export function writeDateTime(date: Date): string {
  const time = date.getTime();
  const year = date.getUTCFullYear();
  refuseUnless(
    Number.isInteger(time / 1000) && year >= 0 && year <= 9999,
    "MALFORMED",
    "a time must be a whole second of the years 0000 to 9999 to be written in XML-RPC",
  );
  return date.toISOString().slice(0, 19).replaceAll("-", "");
}
