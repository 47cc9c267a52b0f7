import type { Instant } from "#shared/model/time.ts";
import { ago, lasting } from "#shared/web/age.ts";
import { SILENT_SECONDS } from "../issuing/offer.ts";
import type { Advertisement } from "../store/advertisements.ts";
import { FRESH_SECONDS, type KnownCondition } from "../store/conditions.ts";
import { type Html, html } from "./html.ts";

export const CONDITION_TITLES: readonly string[] = ["Load", "Liveness", "Heard"];

/** How a node is: its load, how much of the time it was heard, and when; with what monitors add to that. */
export function conditionCells(ad: Advertisement, known: KnownCondition | undefined, now: Instant): Html {
  const silent = ad.heard === undefined || now - ad.heard > SILENT_SECONDS;
  const heard = ad.heard === undefined ? "never" : ago(now - ad.heard);
  return html`<td class="usage">${loadText(ad)}${loadMeter(ad)}${note(machineText(known, now))}</td>
<td>${ad.liveness === undefined ? "–" : `${(ad.liveness / 10).toFixed(1)} %`}</td>
<td class="${silent ? "silent" : "heard"}">${heard}${note(silent ? explanation(ad, known, now) : "")}</td>
`;
}

function loadText({ load, cpus }: Advertisement): string {
  if (load === undefined) return "–";
  return cpus === undefined ? load.toFixed(2) : `${load.toFixed(2)} / ${cpus}`;
}

function loadMeter({ load, cpus }: Advertisement): Html {
  if (load === undefined || cpus === undefined) return html``;
  return html`<meter min="0" max="${cpus}" high="${cpus * BUSY}" value="${Math.min(load, cpus)}"></meter>`;
}

/** From this part on the bar is drawn as a warning. */
const BUSY = 0.8;

function machineText(known: KnownCondition | undefined, now: Instant): string {
  const { booted, memoryAvailableMib: memory } = known ?? {};
  const up = booted == null || booted > now ? undefined : `up ${lasting(now - booted)}`;
  return [up, memory == null ? undefined : `${memory} MiB unused`].filter((text) => text).join(", ");
}

/** Why a node may be silent, as far as monitors can tell. */
function explanation(ad: Advertisement, known: KnownCondition | undefined, now: Instant): string {
  if (ad.monitored === undefined) return "";
  if (now - ad.monitored > FRESH_SECONDS) return `monitors: ${ago(now - ad.monitored)}`;
  if (known?.manager == null) return "monitors hear the machine";
  return now - known.manager > FRESH_SECONDS
    ? `the machine is up, its node manager was seen ${ago(now - known.manager)}`
    : "monitors see its node manager: it may not reach this agent";
}

function note(text: string): Html {
  return text === "" ? html`` : html`<small>${text}</small>`;
}
