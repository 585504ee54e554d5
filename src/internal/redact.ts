/** Query parameters that say something useful and can hold no secret; every other value is hidden. */
const SAFE_PARAMETERS = new Set(['n', 'last', 'digest', 'mount', 'from', 'service', 'scope', 'page', 'limit'])

/** A URL fit for messages and logs: no user info, no fragment, and only allow-listed query values. */
export function redactUrl(url: string | URL): string {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    return '(not a URL)'
  }
  parsed.username = ''
  parsed.password = ''
  parsed.hash = ''
  for (const key of [...parsed.searchParams.keys()]) {
    if (!SAFE_PARAMETERS.has(key)) parsed.searchParams.set(key, '***')
  }
  return parsed.toString()
}
