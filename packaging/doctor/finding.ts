/** What a look at one thing showed. */
export type Finding = {
  /** Whose it is: a part of Slicelab, or the machine all of them share. */
  readonly part: string;
  /** What was looked at, in a word or two. */
  readonly check: string;
  /** `trouble` keeps something from working, `warning` may do so one day or costs something. */
  readonly state: "well" | "warning" | "trouble";
  /** What was found, as a sentence without its point. */
  readonly found: string;
  /** What mends it; said of everything that is not well. */
  readonly mend?: string;
};

/** Makes the findings of one part. */
export class Report {
  readonly part: string;
  readonly findings: Finding[] = [];

  constructor(part: string) {
    this.part = part;
  }

  well(check: string, found: string): void {
    this.findings.push({ part: this.part, check, state: "well", found });
  }

  warning(check: string, found: string, mend: string): void {
    this.findings.push({ part: this.part, check, state: "warning", found, mend });
  }

  trouble(check: string, found: string, mend: string): void {
    this.findings.push({ part: this.part, check, state: "trouble", found, mend });
  }
}

const SIGNS = { well: "ok", warning: "warning", trouble: "TROUBLE" } as const;

/** For people: a line a finding, and under it what to do. */
export function findingsText(findings: readonly Finding[]): string {
  return findings
    .map(({ part, check, state, found, mend }) => {
      const line = `${SIGNS[state].padEnd(8)} ${part}: ${check}: ${found}\n`;
      return mend ? `${line}${" ".repeat(9)}→ ${mend}\n` : line;
    })
    .join("");
}
