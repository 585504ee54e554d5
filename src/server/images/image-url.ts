const IMAGES = '/api/images/'
const ACTIONS = ['/toggle', '/retry', '/events']

/**
 * Lets clients write a name as it is: `/api/images/team/app:1.0/events` becomes `/api/images/team%2Fapp:1.0/events`,
 * which is one path segment. A tag has no slash, so the end of the name is certain. For Fastify's `rewriteUrl`: it
 * sees every URL before anybody is authenticated, so the time it takes must be linear.
 */
export function rewriteImageUrl(url: string): string {
  if (!url.startsWith(IMAGES)) return url
  const marks = [url.indexOf('?'), url.indexOf('#')].filter((at) => at >= 0)
  const end = Math.min(url.length, ...marks)
  const path = url.slice(IMAGES.length, end)
  const action = ACTIONS.find((suffix) => path.endsWith(suffix)) ?? ''
  const name = path.slice(0, path.length - action.length)
  if (name.lastIndexOf(':') <= name.lastIndexOf('/')) return url
  return `${IMAGES}${name.replaceAll('/', '%2F')}${action}${url.slice(end)}`
}
