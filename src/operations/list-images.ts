import type { Image, ListImagesQuery } from '../contract/image.ts'
import type { ServerImages } from '../ports/server.ts'

/** The largest page that the contract allows (MAX_PAGE_LIMIT). */
const PAGE_LIMIT = 200

export type ImageFilter = Omit<ListImagesQuery, 'page' | 'limit' | 'cursor'>

/**
 * Every image that the filter lets through, page after page by cursor: an image that is added or removed meanwhile
 * makes no other one appear twice or go missing.
 */
export async function* listImages(
  server: Pick<ServerImages, 'images'>,
  filter: ImageFilter,
  signal?: AbortSignal,
): AsyncGenerator<Image, void, undefined> {
  let cursor: string | undefined
  do {
    const query = { ...filter, limit: PAGE_LIMIT, ...(cursor === undefined ? {} : { cursor }) }
    const page = await server.images(query, signal)
    yield* page.items
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
}
