import { ImgctlError } from '../../errors/error.ts'
import type { RawRequest, ServerRequests } from '../../ports/server.ts'

interface Page {
  readonly items: readonly unknown[]
  readonly nextCursor?: string | null
}

/**
 * The items of every page of a list, page by page. A list that comes whole is one page.
 *
 * @throws ImgctlError UNSUPPORTED when the answer is no list; and what the server answers
 */
export async function* allPages(
  server: ServerRequests,
  request: RawRequest,
  signal?: AbortSignal,
): AsyncGenerator<readonly unknown[]> {
  for (let path: string | undefined = request.path; path !== undefined; ) {
    const answer = await server.request({ ...request, path }, signal)
    if (answer.failure) throw answer.failure
    const { items, nextCursor } = toPage(answer.body)
    yield items
    path = nextCursor ? withCursor(request.path, nextCursor) : undefined
  }
}

function toPage(body: string): Page {
  const value = parse(body)
  if (Array.isArray(value)) return { items: value }
  if (typeof value === 'object' && value !== null && 'items' in value && Array.isArray(value.items)) {
    return value as Page
  }
  throw new ImgctlError('UNSUPPORTED', 'the answer is no list of pages', { hint: 'leave --paginate out' })
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

/** A cursor says where to go on; a page number beside it would contradict it. */
function withCursor(path: string, cursor: string): string {
  const [route, query] = path.split('?', 2)
  const parameters = new URLSearchParams(query)
  parameters.delete('page')
  parameters.set('cursor', cursor)
  return `${route}?${parameters}`
}
