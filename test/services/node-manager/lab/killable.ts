import { DatabaseSync } from "node:sqlite";
import { loadNodeManagerConfig } from "#services/node-manager/config.ts";
import { startNodeManager } from "#services/node-manager/service.ts";
import { AuditRows } from "#services/node-manager/store/audit-rows.ts";
import { runService } from "#shared/runtime/lifecycle.ts";
import { directoryBackend } from "./directory-backend.ts";

/**
 * A node manager as a process of its own that kills itself, as kill -9 does, at the step it was told. Steps are just
 * before and just after each commit of the store, named by what the audit says in it ("after lease promised"), and
 * each deed of the engine ("before ensure"). A step is given by its name, or by its number from the start of the
 * process.
 *
 *     killable.ts CONFIG MACHINES [STEP]
 */
const [configFile, machines, killAt] = process.argv.slice(2);

let steps = 0;
function step(name: string): void {
  steps += 1;
  if (name === killAt || String(steps) === killAt) process.kill(process.pid, "SIGKILL");
}

let action = "an unnamed commit";
const record = AuditRows.prototype.record;
AuditRows.prototype.record = function (tx, entry) {
  action = entry.action;
  record.call(this, tx, entry);
};

const exec = DatabaseSync.prototype.exec;
DatabaseSync.prototype.exec = function (sql) {
  if (sql !== "COMMIT") return exec.call(this, sql);
  step(`before ${action}`);
  exec.call(this, sql);
  step(`after ${action}`);
  action = "an unnamed commit";
};

const config = loadNodeManagerConfig({ file: configFile! });
await runService("node-manager", (host) =>
  startNodeManager(config, { ...host, engines: [directoryBackend(machines!, step)] }),
);
