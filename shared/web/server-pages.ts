import { type Html, html } from "./html.ts";
import type { Page } from "./page.ts";
import type { Route } from "./route.ts";
import type { WebOptions } from "./server.ts";
import { type Audience, mayRead, type Viewer } from "./viewer.ts";

/** For an address that nothing has. */
export function nothingHere(site: WebOptions, viewer: Viewer): Page {
  const lead = "Nothing has this address now. It may have ended or been taken away since.";
  return { title: "Nothing here", now: site.now(), lead, parts: [whatThereIs(site.routes, viewer)] };
}

const NAMES: Readonly<Record<Audience, string>> = {
  public: "everybody",
  principal: "principals, by their certificates,",
  administrator: "administrators",
};

/** For a page that is not for whoever asks. */
export function refusedPage(site: WebOptions, viewer: Viewer, audience: Audience = "public"): Page {
  const whose = `This page is for ${NAMES[audience]} only.`;
  const notices = viewer.reason === undefined ? [whose] : [whose, viewer.reason];
  const parts = [whatThereIs(site.routes, viewer)];
  return { title: "Not for everybody", now: site.now(), notices, parts };
}

function whatThereIs(routes: readonly Route[], viewer: Viewer): Page["parts"][number] {
  const links = routes.flatMap(({ path, link, audience }) =>
    link !== undefined && mayRead(viewer, audience) ? [html`<li><a href="${path}">${link}</a></li>`] : [],
  );
  return { id: "pages", title: "Pages", body: html`<ul>${links}</ul>` };
}

/** Who is looking, for the head of a page. */
export function whoText({ audience, name, label, reason }: Viewer): Html {
  if (audience === "public" || name === undefined) {
    return html`<span title="${reason}">A stranger: the public summary</span>`;
  }
  const role = audience === "administrator" ? " · administrator" : "";
  return html`<span title="${name}">${label ?? name.slice(0, 12)}${role}</span>`;
}
