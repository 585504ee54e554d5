import { type RawBuilder, sql } from 'kysely'
import { DEFAULT_PAGE_LIMIT, type ListImagesQuery } from '../../contract/image.ts'
import { ImgctlError } from '../../errors/error.ts'
import type { Db } from '../store/database.ts'
import type { ImageTable } from '../store/schema.ts'
import { type Cursor, decodeCursor, encodeCursor, type ImageSort, type Order } from './cursor.ts'
import { imageFilter } from './filter.ts'

export interface ImageRows {
  readonly rows: readonly ImageTable[]
  readonly total: number
  readonly page: number
  readonly totalPages: number
  readonly nextCursor: string | null
}

/** What a label finds is counted by its ids up to here: that is one look at every row instead of two. */
const MAX_FEW = 5_000
/** So many rows are fetched and sorted faster than an index with many others between them is gone through. */
const MAX_SORTED = 500

/** What is sorted by, never null (unknown is smallest). Each has an index in the migrations, word for word. */
const SORT_KEYS = {
  createdAt: sql<number>`"createdAt"`,
  updatedAt: sql<number>`"updatedAt"`,
  name: sql<string>`name`,
  sizeBytes: sql<number>`COALESCE("sizeBytes", -1)`,
  lastUsedAt: sql<number>`COALESCE("lastUsedAt", -1)`,
} as const satisfies Record<ImageSort, unknown>

/**
 * One page of an organization's images, the newest first unless told. With `cursor` the pages are cut by sort key
 * instead of by number, so that images which come in between are neither repeated nor skipped.
 *
 * @throws ImgctlError BAD_REQUEST
 */
export async function listImages(db: Db, organizationId: string, query: ListImagesQuery): Promise<ImageRows> {
  const limit = query.limit ?? DEFAULT_PAGE_LIMIT
  const { sort, order, page, after } = position(query)
  const key: RawBuilder<string | number> = SORT_KEYS[sort]
  const matching = db
    .selectFrom('images')
    .where('organizationId', '=', organizationId)
    .where(imageFilter(query))
  // Labels have no index: each row has to be looked at, which is fastest in the order in which they were written.
  const asWritten = query.label ? matching.where('createdAt', '>=', 0) : matching
  const few = query.label ? await idsOfFew(asWritten.select('id')) : undefined
  const total =
    few?.length ?? (await countOf(asWritten.select(({ fn }) => fn.countAll<number>().as('total'))))
  if (total === 0) return { rows: [], total, page, totalPages: 0, nextCursor: null }
  const rows = few && total <= MAX_SORTED ? db.selectFrom('images').where(isOneOf(few)) : matching
  const sorted = rows.selectAll().select(key.as('sortKey')).orderBy(key, order).orderBy('id', order)
  // One more than asked for: whether there is a next page.
  const paged = after ? sorted.where(isAfter(after)) : sorted.offset((page - 1) * limit)
  const found = await paged.limit(limit + 1).execute()
  const shown = found.slice(0, limit)
  const last = shown.at(-1)
  const hasNext = found.length > limit && last !== undefined
  return {
    rows: shown.map(({ sortKey: _, ...row }) => row),
    total,
    page,
    totalPages: Math.ceil(total / limit),
    nextCursor: hasNext
      ? encodeCursor({ sort, order, value: last.sortKey, id: last.id, page: page + 1 })
      : null,
  }
}

/** The ids that a query finds when they are few, so that it need not be asked again; undefined when they are many. */
async function idsOfFew(query: {
  limit(rows: number): { execute(): Promise<readonly { readonly id: string }[]> }
}): Promise<string[] | undefined> {
  const found = await query.limit(MAX_FEW + 1).execute()
  return found.length > MAX_FEW ? undefined : found.map(({ id }) => id)
}

async function countOf(query: {
  executeTakeFirstOrThrow(): Promise<{ readonly total: number }>
}): Promise<number> {
  return (await query.executeTakeFirstOrThrow()).total
}

/** One value for all of them: the text of the statement is the same however many there are. */
function isOneOf(ids: readonly string[]) {
  return sql<boolean>`id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`
}

interface Position {
  readonly sort: ImageSort
  readonly order: Order
  readonly page: number
  readonly after: Cursor | undefined
}

function position(query: ListImagesQuery): Position {
  if (query.cursor === undefined) {
    const sort = (query.sort ?? 'createdAt') as ImageSort
    const order = (query.order ?? (sort === 'name' ? 'asc' : 'desc')) as Order
    return { sort, order, page: query.page ?? 1, after: undefined }
  }
  const after = decodeCursor(query.cursor)
  const { sort, order, page } = after
  const contradicts =
    query.page !== undefined || (query.sort ?? sort) !== sort || (query.order ?? order) !== order
  if (contradicts) {
    throw new ImgctlError(
      'BAD_REQUEST',
      'a cursor goes on where its page ended: it has its own page and order',
      {
        hint: 'leave out page, sort and order, or start again without the cursor',
      },
    )
  }
  return { sort, order, page, after }
}

/** Compares (key, id) with the cursor's as one value, which the index on (organizationId, key, id) answers. */
function isAfter({ sort, order, value, id }: Cursor) {
  const comparison = order === 'asc' ? sql`>` : sql`<`
  return sql<boolean>`(${SORT_KEYS[sort]}, id) ${comparison} (${value}, ${id})`
}
