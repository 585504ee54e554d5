import { createHash } from 'node:crypto'

/** What a person reads in the browser after the issuer sent it back. */
export interface CallbackPage {
  readonly status: number
  readonly title: string
  readonly text: string
}

export const PAGES = {
  success: {
    status: 200,
    title: 'You are logged in',
    text: 'imgctl has what it needs. You can close this page and go back to the terminal.',
  },
  denied: {
    status: 403,
    title: 'The login was denied',
    text: 'You or the login page said no, so nothing was changed. To try again, run imgctl login.',
  },
  failed: {
    status: 502,
    title: 'The login failed',
    text: 'The login page sent you back, but the login could not be finished. The terminal says why.',
  },
  expired: {
    status: 410,
    title: 'This login has expired',
    text: 'It took too long, or this page was loaded twice. To try again, run imgctl login.',
  },
  wrongState: {
    status: 400,
    title: 'This is not the login that is waiting',
    text: 'The page belongs to another run of imgctl login. Use the address that the terminal shows now.',
  },
  used: {
    status: 409,
    title: 'This login was answered already',
    text: 'Only the first answer counts. You can close this page; the terminal says how it ended.',
  },
  notFound: { status: 404, title: 'Nothing here', text: 'imgctl waits here for a login only.' },
  refused: {
    status: 403,
    title: 'Refused',
    text: 'This request does not come from a login page that a person opened.',
  },
} as const satisfies Record<string, CallbackPage>

const STYLE =
  ':root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:20vh auto 0;padding:0 1.5rem}'
/** Takes the code out of the address bar and the history. */
const SCRIPT = "history.replaceState(null,'',location.pathname)"

/** @see https://www.w3.org/TR/CSP3/: nothing loads, runs or frames this page but the two texts above. */
const POLICY = [
  "default-src 'none'",
  `style-src '${hashSource(STYLE)}'`,
  `script-src '${hashSource(SCRIPT)}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

export const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  connection: 'close',
} as const

/** Our own words only: nothing of the request is in it. */
export function pageHtml({ title, text }: CallbackPage): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title} - imgctl</title><style>${STYLE}</style></head>
<body><main><h1>${title}</h1><p>${text}</p></main><script>${SCRIPT}</script></body></html>
`
}

function hashSource(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
