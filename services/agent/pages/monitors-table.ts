import type { Instant } from "#shared/model/time.ts";
import { ago } from "#shared/web/age.ts";
import type { MonitorRecord } from "../store/monitors.ts";
import { type Html, html } from "./html.ts";

/** The monitors this agent polls, and what came of it. Nothing where it polls none. */
export function monitorsSection(monitors: readonly MonitorRecord[], now: Instant): Html {
  if (monitors.length === 0) return html``;
  return html`<section>
<h2>Monitors <span class="count">${monitors.length}</span></h2>
<table>
<thead><tr><th>Monitor</th><th>Last whole dump</th><th>Hosts</th><th>Nodes among them</th><th>Polls that failed</th></tr></thead>
<tbody>
${monitors.map((monitor) => monitorRow(monitor, now))}</tbody>
</table>
</section>
`;
}

function monitorRow(monitor: MonitorRecord, now: Instant): Html {
  const { name, lastAnswer, lastFailure, failure, hosts, nodes, answered, failed } = monitor;
  const failing = lastFailure !== null && (lastAnswer === null || lastAnswer < lastFailure);
  const note = failing ? html`<small>${ago(now - lastFailure)}: ${failure ?? ""}</small>` : html``;
  return html`<tr><th scope="row">${name}</th>
<td class="${failing ? "silent" : "heard"}">${lastAnswer === null ? "never" : ago(now - lastAnswer)}${note}</td>
<td>${hosts ?? "–"}</td><td>${nodes ?? "–"}</td><td>${failed} of ${answered + failed}</td></tr>
`;
}
