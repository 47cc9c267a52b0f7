/**
 * Text from elsewhere on its way to a terminal. Beside the old control characters these are those of ISO 6429, which
 * XML takes, as does JSON, and which terminals obey: U+009B alone begins a sequence that moves the cursor; and those
 * that change the direction of what follows, so that something else is read than is there.
 */
const UNPRINTABLE = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** One line, unable to move the cursor, change colours or break. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, "?");
}

/** The same of each line of a text that has several. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

/**
 * The same value, without the characters that JSON leaves as they are and terminals obey. For what writers of JSON, or
 * of YAML with every string in double quotes, have made: there they can only stand within strings.
 */
export function printableStrings(json: string): string {
  return json.replace(UNPRINTABLE, (character) => {
    if (character === "\n") return character; // between members: within strings it is escaped already
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
