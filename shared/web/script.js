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
