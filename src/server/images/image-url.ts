const IMAGE_PATH = /^(\/api\/images\/)([^?#]*:[^?#/]*)(\/(?:toggle|retry|events))?([?#].*)?$/

/**
 * Lets clients write a name as it is: `/api/images/team/app:1.0/events` becomes `/api/images/team%2Fapp:1.0/events`,
 * which is one path segment. A tag has no slash, so the end of the name is certain. For Fastify's `rewriteUrl`.
 */
export function rewriteImageUrl(url: string): string {
  const match = IMAGE_PATH.exec(url)
  if (!match) return url
  const [, start, name, action = '', query = ''] = match
  return `${start}${name!.replaceAll('/', '%2F')}${action}${query}`
}
