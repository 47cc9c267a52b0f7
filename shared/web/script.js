// Sorting, filtering and leafing without a new page. Without this script the same links and forms load one.
// A table is fetched as part of the page it would be on, and put in the place of the one that is shown.

const PAUSE_MS = 250;
let latest = 0;
let pause;

for (const section of document.querySelectorAll("[data-table]")) section.dataset.live = "";

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-table] form a[href^='/'], [data-table] .controls a");
  const section = link?.closest("[data-table]");
  if (!section || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  if (new URL(link.href).pathname !== location.pathname || link.closest("tbody")) return;
  event.preventDefault();
  show(section.id, new URL(link.href));
});

document.addEventListener("input", (event) => {
  const form = event.target.closest("[data-table] form");
  if (!form) return;
  clearTimeout(pause);
  pause = setTimeout(() => submit(form), PAUSE_MS);
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-table] form");
  if (!form) return;
  event.preventDefault();
  clearTimeout(pause);
  submit(form);
});

function submit(form) {
  const url = new URL(form.action);
  url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
  show(form.closest("[data-table]").id, url);
}

/** Other tables stay as they are seen now: links and forms were written before they were changed. */
function ofTable(id, url) {
  const own = ([name]) => name.startsWith(`${id}.`);
  const others = [...new URLSearchParams(location.search)].filter((one) => !own(one));
  const changed = new URL(url);
  changed.search = new URLSearchParams([...others, ...[...url.searchParams].filter(own)]);
  return changed;
}

async function show(id, asked) {
  const url = ofTable(id, asked);
  const mine = ++latest;
  const section = document.getElementById(id);
  section.setAttribute("aria-busy", "true");
  const page = await fetched(url);
  // Somebody asked for something else meanwhile.
  if (mine !== latest) return;
  const fresh = page?.getElementById(id);
  if (!fresh) return location.assign(url);
  put(fresh, section);
  url.hash = "";
  history.replaceState(null, "", url);
  watch();
}

async function fetched(url) {
  try {
    const answer = await fetch(url, { headers: { accept: "text/html" } });
    return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : undefined;
  } catch {
    // The browser's own page says what is wrong with the connection.
    return undefined;
  }
}

/** The place of the keyboard stays where it was, with what was typed since. */
function put(fresh, section) {
  const { id, value, selectionStart, selectionEnd } = document.activeElement ?? {};
  const left = section.querySelector(".scroll")?.scrollLeft ?? 0;
  fresh.dataset.live = "";
  section.replaceWith(fresh);
  const scroll = fresh.querySelector(".scroll");
  if (scroll) scroll.scrollLeft = left;
  const again = id ? document.getElementById(id) : null;
  if (!again) return;
  again.focus({ preventScroll: true });
  if (again.localName !== "input") return;
  again.value = value;
  again.setSelectionRange(selectionStart, selectionEnd);
}

// What changes while somebody looks. The server sends the parts of this page that are otherwise than before; what is
// the same in them stays the same element, so that places, choices and the keyboard stay where they are.

/** From being told that there is no room to asking again. */
const AGAIN_MS = 60_000;
let events;
let again;
let pressed = false;
let waiting;

function watch() {
  events?.close();
  clearTimeout(again);
  waiting = undefined;
  if (document.hidden) return state("paused");
  events = new EventSource(`/events?page=${encodeURIComponent(location.pathname + location.search)}`);
  const from = events;
  events.addEventListener("open", () => state("live"));
  events.addEventListener("gone", () => state("gone: nothing has this address any more"));
  events.addEventListener("away", () => state("not live: the database cannot be reached"));
  events.addEventListener("parts", ({ data }) => {
    if (from !== events) return;
    const { ids, parts } = JSON.parse(data);
    waiting = { ids, parts: { ...waiting?.parts, ...parts } };
    apply();
  });
  events.addEventListener("error", () => {
    if (from !== events) return;
    const refused = from.readyState === EventSource.CLOSED;
    state("not live: the service does not answer");
    if (refused) again = setTimeout(watch, AGAIN_MS);
  });
}

/** Not in the middle of a click, nor while text is marked. */
function apply() {
  if (!waiting || pressed || getSelection()?.type === "Range") return;
  const { ids, parts } = waiting;
  const focused = document.activeElement;
  waiting = undefined;
  for (const part of document.querySelectorAll("main > [id]")) if (!ids.includes(part.id)) part.remove();
  for (const [at, id] of ids.entries()) {
    const old = document.getElementById(id);
    const fresh = parts[id] && new DOMParser().parseFromString(parts[id], "text/html").body.firstElementChild;
    if (!fresh || old?.getAttribute("aria-busy") === "true") continue;
    if (old) become(old, fresh);
    else place(document.importNode(fresh, true), ids[at - 1]);
  }
  // An element that was moved has lost it.
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  for (const section of document.querySelectorAll("[data-table]")) section.dataset.live = "";
  state("live");
}

/** A part that was not there, behind the one it follows. */
function place(part, following) {
  const before = document.querySelector("main").querySelector(`:scope > #${CSS.escape(following)}`);
  if (before) before.after(part);
  else document.querySelector("main").prepend(part);
}

/** Attributes that are the reader's, not the server's. */
const OWN = new Set(["open", "data-live"]);

function become(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !OWN.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const named = new Map();
  for (const child of old.childNodes) if (!named.has(nameOf(child))) named.set(nameOf(child), child);
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const name = nameOf(child);
    // Of two of one name each is taken once.
    const same = (name && named.get(name)) || at;
    named.delete(name);
    if (same && alike(same, child)) {
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      if (same.nodeType === Node.ELEMENT_NODE) become(same, child);
      else if (same.data !== child.data) same.data = child.data;
    } else old.insertBefore(document.importNode(child, true), at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function alike(one, other) {
  return one.nodeName === other.nodeName && nameOf(one) === nameOf(other);
}

/** What makes an element the same as before, wherever it stands now: a row is that of its first cell. */
function nameOf(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return undefined;
  if (node.id) return `#${node.id}`;
  if (node.localName === "a" && node.closest("svg")) return node.getAttribute("href");
  if (node.localName !== "tr" || node.parentElement?.localName !== "tbody") return undefined;
  return node.querySelector("th a")?.getAttribute("href") ?? node.querySelector("th")?.textContent;
}

/** Whether what is shown is as it is now. Only that it is not is said aloud. */
function state(text) {
  const shown = document.getElementById("live-state") ?? document.createElement("p");
  if (shown.textContent === text) return;
  if (!shown.isConnected) {
    shown.id = "live-state";
    document.querySelector("footer").after(shown);
  }
  shown.setAttribute("aria-live", text === "live" || text === "paused" ? "off" : "polite");
  shown.textContent = text;
}

document.addEventListener("pointerdown", () => {
  pressed = true;
});
for (const end of ["pointerup", "pointercancel"]) {
  document.addEventListener(end, () => {
    pressed = false;
    // After the click that may come of it.
    setTimeout(apply);
  });
}
document.addEventListener("visibilitychange", watch);
addEventListener("pagehide", () => events?.close());
addEventListener("pageshow", watch);
