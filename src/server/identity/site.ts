/** RFC 4291: an IPv6 site has the last 64 bits to itself. */
const SITE_GROUPS = 4
const GROUPS = 8

/** What one client can have all of, so that a limit counts it as one: an IPv4 address, or the network of an IPv6 one. */
export function siteOf(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address
  const [head = '', tail] = address.split('::')
  const groups = head.split(':')
  const missing = tail === undefined ? 0 : GROUPS - groups.length - (tail === '' ? 0 : tail.split(':').length)
  return [...groups, ...Array<string>(Math.max(missing, 0)).fill('0')].slice(0, SITE_GROUPS).join(':')
}
