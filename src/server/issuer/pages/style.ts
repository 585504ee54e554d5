/** The pages' only style. Colours keep WCAG 2.2's contrast (AA) on their ground, in both schemes. */
export const STYLE = `:root {
  color-scheme: light dark;
  --ground: #eef1f6; --glow: #dfe7fb; --card: #ffffff; --edge: #dbe1ea; --text: #141a26; --soft: #525d70;
  --field: #ffffff; --field-edge: #7e8aa0; --accent: #2350d8; --accent-hover: #1b40b3; --on-accent: #ffffff;
  --bad: #b3142b; --bad-ground: #fdecee; --bad-edge: #f3bcc4; --good: #14713d; --good-ground: #e4f5ea;
  --code: #f2f4f9; --l1: #2350d8; --l2: #6f8df0; --l3: #b3c3f8;
  --shadow: 0 1px 2px rgb(20 26 38 / 6%), 0 12px 32px rgb(20 26 38 / 9%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0d1119; --glow: #172136; --card: #161c28; --edge: #2a3344; --text: #e9edf5; --soft: #a3aec2;
    --field: #0f141d; --field-edge: #69768d; --accent: #8aa8ff; --accent-hover: #a9beff; --on-accent: #0a1230;
    --bad: #ff9aa8; --bad-ground: #341820; --bad-edge: #6b2c39; --good: #6fdc9c; --good-ground: #12301f;
    --code: #0f141d; --l1: #8aa8ff; --l2: #5673cf; --l3: #344a8c;
    --shadow: 0 1px 2px rgb(0 0 0 / 40%), 0 16px 40px rgb(0 0 0 / 35%);
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; min-height: 100dvh; padding: 24px 16px 48px;
  display: flex; flex-direction: column; align-items: center; justify-content: center; gap: 20px;
  background: radial-gradient(70rem 34rem at 50% -10rem, var(--glow), transparent) no-repeat var(--ground);
  color: var(--text); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
.brand { display: flex; align-items: center; gap: 10px; font-size: 18px; font-weight: 650; letter-spacing: -0.01em; }
.logo { width: 28px; height: 28px; }
.l1 { fill: var(--l1); } .l2 { fill: var(--l2); } .l3 { fill: var(--l3); }
.card {
  width: 100%; max-width: 420px; padding: 32px; background: var(--card); border: 1px solid var(--edge);
  border-radius: 16px; box-shadow: var(--shadow); overflow-wrap: anywhere;
}
h1 { margin: 0 0 8px; font-size: 24px; line-height: 1.25; font-weight: 680; letter-spacing: -0.02em; }
h2 { margin: 20px 0 6px; font-size: 14px; font-weight: 650; }
p { margin: 0 0 14px; }
.lead, .note { color: var(--soft); }
.lead { margin-bottom: 22px; }
.note { margin: 18px 0 0; font-size: 14px; }
label { display: block; margin: 16px 0 6px; font-size: 14px; font-weight: 600; }
.rule { margin: 6px 0 0; color: var(--soft); font-size: 14px; }
input[type="text"], input[type="password"] {
  width: 100%; padding: 11px 13px; font: inherit; color: var(--text); background: var(--field);
  border: 1px solid var(--field-edge); border-radius: 10px;
}
input[aria-invalid="true"] { border-color: var(--bad); }
.code-field { text-align: center; text-transform: uppercase; font: 600 24px/1.3 ui-monospace, "SF Mono", Menlo, Consolas, monospace !important; letter-spacing: 0.14em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
input:focus-visible { outline-offset: 0; border-color: var(--accent); }
.actions { display: flex; flex-direction: column; gap: 10px; margin-top: 24px; }
button {
  width: 100%; padding: 12px 16px; font: inherit; font-weight: 620; cursor: pointer; border-radius: 10px;
  border: 1px solid transparent; background: var(--accent); color: var(--on-accent);
}
button:hover { background: var(--accent-hover); }
button.plain { background: transparent; color: var(--text); border-color: var(--field-edge); }
button.plain:hover { background: var(--code); }
button.link {
  width: auto; padding: 0; background: none; border: 0; border-radius: 4px; color: var(--accent);
  font-weight: 600; text-decoration: underline; text-underline-offset: 3px;
}
.who {
  display: flex; align-items: center; justify-content: space-between; gap: 6px 16px; flex-wrap: wrap;
  margin: 0 0 18px; padding: 12px 14px; background: var(--code); border-radius: 10px; font-size: 15px;
}
ul.rights { margin: 0; padding: 0; list-style: none; border: 1px solid var(--edge); border-radius: 10px; font-size: 15px; }
ul.rights li { padding: 10px 14px; }
ul.rights li + li { border-top: 1px solid var(--edge); }
ul.rights span { display: block; color: var(--soft); font-size: 14px; }
.alert {
  padding: 12px 14px; border-radius: 10px; font-size: 15px; color: var(--bad);
  background: var(--bad-ground); border: 1px solid var(--bad-edge);
}
.command {
  margin: 0 0 14px; padding: 12px 14px; background: var(--code); border: 1px solid var(--edge); border-radius: 10px;
  font: 14px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: pre-wrap;
}
.command code { font: inherit; }
.user-code { margin: 0 0 18px; text-align: center; font: 650 30px/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; letter-spacing: 0.1em; }
.mark { display: block; width: 48px; height: 48px; margin: 0 0 16px; fill: none; stroke-width: 3.5; stroke-linecap: round; stroke-linejoin: round; }
.mark circle { stroke: none; }
.done { stroke: var(--good); } .done circle { fill: var(--good-ground); }
.failed { stroke: var(--bad); } .failed circle { fill: var(--bad-ground); }
@media (max-width: 480px) { .card { padding: 24px 20px; } }
@media (forced-colors: active) { .card, button, .alert { border: 1px solid; } }
`
