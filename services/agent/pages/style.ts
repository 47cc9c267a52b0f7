/** The page's style sheet: served by itself, because the page allows nothing inline. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f6f7f9, #14171c);
  --paper: light-dark(#ffffff, #1c2027);
  --ink: light-dark(#1d2330, #e4e8ef);
  --faint: light-dark(#667085, #939db0);
  --line: light-dark(#e3e6eb, #2c323d);
  --good: light-dark(#18794e, #4cc38a);
  --bad: light-dark(#b42318, #ff8f7d);
  --accent: light-dark(#2f5fd0, #82a7ff);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
header, main { max-width: 78rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
h1 { margin: 0; font-size: 1.5rem; }
header p { margin: .25rem 0 0; color: var(--faint); }
section { margin: 1.75rem 0; overflow-x: auto; }
h2 { font-size: 1.05rem; margin: 0 0 .6rem; }
.count { color: var(--faint); font-weight: 400; }
table { width: 100%; border-collapse: collapse; background: var(--paper); border: 1px solid var(--line); border-radius: 8px; }
th, td { padding: .5rem .75rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); white-space: nowrap; }
thead th { border-top: 0; color: var(--faint); font-weight: 500; font-size: .85rem; }
tbody th { font-weight: 600; }
small { display: block; color: var(--faint); font: 12px ui-monospace, monospace; }
.usage { font-variant-numeric: tabular-nums; }
meter { display: block; width: 7rem; height: .5rem; margin-top: .2rem; }
.mark { padding: 0 .4rem; border-radius: 6px; border: 1px solid var(--accent); color: var(--accent); font-size: .8rem; }
.heard { color: var(--good); }
.silent { color: var(--bad); }
.none { color: var(--faint); }
code { font: .9em ui-monospace, monospace; }
`;
