import pg from "pg";

/** PostgreSQL's type numbers (its catalog `pg_type`). */
const OID = {
  bigint: 20,
  date: 1082,
  timestamp: 1114,
  timestamptz: 1184,
  textArray: 1009,
  bigintArray: 1016,
  dateArray: 1182,
  timestampArray: 1115,
  timestamptzArray: 1185,
} as const;

type Parser = (text: string) => unknown;

const PARSERS = new Map<number, Parser>([
  [OID.bigint, wholeNumber],
  [OID.date, String],
  [OID.timestamp, refuseTimestamp],
  [OID.timestamptz, secondsSince1970],
  [OID.bigintArray, each(wholeNumber)],
  [OID.dateArray, each(String)],
  [OID.timestampArray, refuseTimestamp],
  [OID.timestamptzArray, each(secondsSince1970)],
]);

/** How columns are read by `openDatabase`'s connections, and by no others of this process. */
export const columnTypes: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: "text" | "binary") =>
    PARSERS.get(oid) ?? pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number)) {
    throw new RangeError(`${text} in a bigint column is beyond what a number holds; select it as text`);
  }
  return number;
}

/** Reads "2030-01-01 00:00:00.5+00" (the session's zone is UTC), "infinity" and "-infinity". */
function secondsSince1970(text: string): number {
  if (text === "infinity") return Number.POSITIVE_INFINITY;
  if (text === "-infinity") return Number.NEGATIVE_INFINITY;
  const milliseconds = Date.parse(text.replace(" ", "T").replace(/\+00$/, "Z"));
  if (Number.isNaN(milliseconds))
    throw new RangeError(`${text} in a timestamptz column cannot be read as a time`);
  return milliseconds / 1000;
}

function refuseTimestamp(): never {
  throw new TypeError("a timestamp without a zone means nothing; make the column timestamptz");
}

/** Arrays hold what the single type holds; a null in one stays null. */
function each(parse: Parser): Parser {
  const texts = pg.types.getTypeParser(OID.textArray as number) as (text: string) => (string | null)[];
  return (text) => texts(text).map((element) => (element === null ? null : parse(element)));
}
