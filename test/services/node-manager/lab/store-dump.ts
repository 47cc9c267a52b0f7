import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Every row of every table of a node's store but the audit's, as text that can be compared. */
export function dumpStore(directory: string): string {
  return reading(directory, (db) => {
    const tables = db.prepare("select name from sqlite_schema where type = 'table' order by name").all();
    return tables
      .map((row) => String(row.name))
      .filter((name) => !name.startsWith("audit") && name !== "sqlite_sequence")
      .map((name) => `${name}: ${JSON.stringify(db.prepare(`select * from ${name} order by 1, 2`).all())}`)
      .join("\n");
  });
}

export type AuditRow = { readonly action: string; readonly outcome: string; readonly peer: string };

export function auditOf(directory: string): AuditRow[] {
  return reading(directory, (db) =>
    db
      .prepare("select action, outcome, peer from audit order by number")
      .all()
      .map((row) => ({ ...row }) as AuditRow),
  );
}

/** Looks at a copy: the file itself is locked by whoever serves from it. */
export function reading<T>(directory: string, look: (db: DatabaseSync) => T): T {
  const copies = mkdtempSync(join(tmpdir(), "slicelab-dump-"));
  try {
    for (const name of ["node.sqlite", "node.sqlite-wal"]) {
      if (existsSync(join(directory, name))) copyFileSync(join(directory, name), join(copies, name));
    }
    const db = new DatabaseSync(join(copies, "node.sqlite"));
    try {
      return look(db);
    } finally {
      db.close();
    }
  } finally {
    rmSync(copies, { recursive: true, force: true });
  }
}
