import { type Html, html } from './html.ts'

export interface Page {
  /** Of the browser's tab, and the heading. */
  readonly title: string
  /** One line under the heading. */
  readonly lead?: Html | string
  readonly content: Html
  /** The mark over the heading; a plain one unless something went right or wrong. */
  readonly mark?: 'done' | 'failed'
}

/** Below the issuer's path. */
export const STYLE_PATH = '/oidc/style.css'

/** Three layers: what an image is made of. */
const LOGO = html`<svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
<path class="l3" d="M16 18.5 29 24 16 29.5 3 24z"/><path class="l2" d="M16 10.5 29 16 16 21.5 3 16z"/><path class="l1" d="M16 2.5 29 8 16 13.5 3 8z"/></svg>`
const DONE = html`<svg class="mark done" viewBox="0 0 48 48" aria-hidden="true" focusable="false">
<circle cx="24" cy="24" r="22"/><path d="m14.5 24.5 6.5 6.5 13-14"/></svg>`
const FAILED = html`<svg class="mark failed" viewBox="0 0 48 48" aria-hidden="true" focusable="false">
<circle cx="24" cy="24" r="22"/><path d="M24 13v14"/><path d="M24 34v.5"/></svg>`

/** A whole document. It needs no script, and nothing from elsewhere. */
export function layout({ title, lead, content, mark }: Page): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} · imgctl</title>
<link rel="stylesheet" href="${STYLE_PATH}">
</head>
<body>
<header class="brand">${LOGO}<span>imgctl</span></header>
<main class="card">
${mark === 'done' ? DONE : mark === 'failed' ? FAILED : undefined}
<h1>${title}</h1>
${lead === undefined ? undefined : html`<p class="lead">${lead}</p>`}
${content}
</main>
</body>
</html>
`.text
}

/** What went wrong, read out at once by a screen reader. */
export function alert(message: string, id = 'problem'): Html {
  return html`<p class="alert" role="alert" id="${id}">${message}</p>`
}

/** A command to copy. */
export function command(text: string): Html {
  return html`<pre class="command"><code>${text}</code></pre>`
}
