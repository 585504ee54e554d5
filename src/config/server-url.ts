import { ImgctlError } from '../errors/error.ts'
import { isLoopback } from '../internal/loopback.ts'

/** Where `imgctl serve` listens when nothing else is said. */
export const DEFAULT_SERVER = 'http://127.0.0.1:7700'

/**
 * A server's URL as it is stored and compared: scheme, host, port, and a path when a proxy adds one; without the
 * `/api` that users copy from other tools. A bare `host:port` is https, or http when the host is this machine.
 *
 * @throws ImgctlError USAGE
 */
export function parseServerUrl(text: string): string {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
    ? text
    : `${isLoopback(text) ? 'http' : 'https'}://${text}`
  let url: URL
  try {
    url = new URL(withScheme)
  } catch {
    throw invalid('it is not a URL')
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw invalid('it is not http or https')
  if (url.username || url.password) throw invalid('it has a user name or password in it')
  if (url.search || url.hash) throw invalid('it has a query or fragment')
  return `${url.origin}${url.pathname.replace(/\/+$/, '').replace(/\/api$/, '')}`
}

/** The text is not repeated: it may hold a password. */
function invalid(why: string): ImgctlError {
  return new ImgctlError('USAGE', `the server's URL cannot be used: ${why}`, {
    hint: `for example --server ${DEFAULT_SERVER}`,
  })
}
