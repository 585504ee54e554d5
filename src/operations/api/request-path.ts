import { ImgctlError } from '../../errors/error.ts'

const BELOW = 'http://server/api/'

/**
 * A path under `/api`, with its query: from `/images`, `api/images?limit=5`, or a whole URL of this server.
 *
 * @param server the URL that the key is for
 * @throws ImgctlError USAGE for a URL of another server, and for a path that leaves `/api`
 */
export function requestPath(text: string, server: string): string {
  const own = /^https?:\/\//i.test(text) ? pathOfUrl(text, server) : text
  const url = URL.parse(own.replace(/^\/*(?:api(?:\/+|$))?/, ''), BELOW)
  if (url?.origin !== new URL(BELOW).origin || !url.pathname.startsWith('/api/')) {
    throw new ImgctlError('USAGE', `this is no path under /api: ${JSON.stringify(text)}`, {
      hint: 'write it like /images?limit=5',
    })
  }
  return url.pathname.slice('/api'.length) + url.search
}

/** The key goes to its own server only. */
function pathOfUrl(text: string, server: string): string {
  const url = URL.parse(text)
  const base = new URL(server)
  if (url?.origin === base.origin && !url.username && !url.password) {
    return url.pathname.slice(base.pathname.replace(/\/$/, '').length) + url.search
  }
  throw new ImgctlError('USAGE', `this is not a URL of ${server}`, {
    hint: 'give a path, and choose the server with --server or --profile',
  })
}
