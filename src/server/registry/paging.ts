import { RegistryError } from './registry-error.ts'

/** A client that names no page size gets at most this many, and a link to the rest. */
const MAX_PAGE = 10_000

export interface Page {
  readonly limit: number
  readonly last: string | undefined
}

/** @throws RegistryError UNSUPPORTED when `n` is no number */
export function requestedPage(query: URLSearchParams): Page {
  const n = query.get('n')
  if (n !== null && !/^\d{1,9}$/.test(n)) {
    throw new RegistryError(400, 'UNSUPPORTED', 'n is a number of results', { detail: { n } })
  }
  return {
    limit: Math.min(n === null ? MAX_PAGE : Number(n), MAX_PAGE),
    last: query.get('last') ?? undefined,
  }
}

/**
 * Cuts what a query for one item more than the page answered, and makes the `Link` header (RFC 8288) when there is
 * a next page.
 */
export function cutPage<T>(
  items: readonly T[],
  { limit }: Page,
  path: string,
  nextQuery: (last: T) => Record<string, string>,
): { items: readonly T[]; link: string | undefined } {
  const cut = items.slice(0, limit)
  const last = cut.at(-1)
  if (items.length <= limit || last === undefined) return { items: cut, link: undefined }
  const query = new URLSearchParams({ ...nextQuery(last), n: String(limit) })
  return { items: cut, link: `<${path}?${query}>; rel="next"` }
}
