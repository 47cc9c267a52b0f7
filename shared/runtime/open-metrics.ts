/** Numbers of one name, told apart by a label or alone. */
export type Family = {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly help: string;
  readonly samples: readonly {
    readonly label?: readonly [name: string, value: string];
    readonly value: number;
  }[];
};

export const CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** Families as OpenMetrics 1.0 has them. */
export function openMetrics(families: readonly Family[]): string {
  return `${families.map(familyText).join("")}# EOF\n`;
}

function familyText({ name, type, help, samples }: Family): string {
  const sampleName = type === "counter" ? `${name}_total` : name;
  const lines = samples.map(({ label, value }) => {
    const labels = label ? `{${label[0]}="${escaped(label[1])}"}` : "";
    return `${sampleName}${labels} ${value}\n`;
  });
  return `# TYPE ${name} ${type}\n# HELP ${name} ${escaped(help)}\n${lines.join("")}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
