import { type RawBuilder, sql } from 'kysely'
import { DEFAULT_PAGE_LIMIT, type ListImagesQuery } from '../../contract/image.ts'
import { ImgctlError } from '../../errors/error.ts'
import type { Db } from '../store/database.ts'
import type { ImageTable } from '../store/schema.ts'
import { type Cursor, decodeCursor, encodeCursor, type ImageSort, type Order } from './cursor.ts'
import { imageFilter, queriedLabels } from './filter.ts'
import { countLabelled, hasLabel, type Label, labelledImages } from './labels.ts'

export interface ImageRows {
  readonly rows: readonly ImageTable[]
  readonly total: number
  readonly page: number
  readonly totalPages: number
  readonly nextCursor: string | null
}

/**
 * What a label finds is fetched and sorted up to here. Beyond, a page is found sooner by going through all images in their
 * order, of which then many have the label.
 */
const MAX_RARE = 5_000

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
  const labels = queriedLabels(query)
  const rare = await rareLabel(db, organizationId, labels)
  const images = rare ? db.selectFrom(labelledImages(organizationId, rare)) : db.selectFrom('images')
  const matching = images
    .where('organizationId', '=', organizationId)
    .where(imageFilter(query))
    .where((eb) => eb.and(labels.filter((label) => label !== rare).map(hasLabel)))
  const [label] = labels
  const isLabelOnly = label && labels.length === 1 && !query.name && !query.state && !query.visibility
  // Where each row has to be looked at, it is fastest in the order in which they were written.
  const counted = label && !rare ? matching.where('createdAt', '>=', 0) : matching
  const total = isLabelOnly
    ? await countLabelled(db, organizationId, label)
    : await countOf(counted.select(({ fn }) => fn.countAll<number>().as('total')))
  if (total === 0) return { rows: [], total, page, totalPages: 0, nextCursor: null }
  const sorted = matching.selectAll().select(key.as('sortKey')).orderBy(key, order).orderBy('id', order)
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

/** The label that the fewest images have, if those are few. */
async function rareLabel(
  db: Db,
  organizationId: string,
  labels: readonly Label[],
): Promise<Label | undefined> {
  let fewest = MAX_RARE
  let rare: Label | undefined
  for (const label of labels) {
    const count = await countLabelled(db, organizationId, label, fewest + 1)
    if (count > fewest) continue
    rare = label
    fewest = count
  }
  return rare
}

async function countOf(query: {
  executeTakeFirstOrThrow(): Promise<{ readonly total: number }>
}): Promise<number> {
  return (await query.executeTakeFirstOrThrow()).total
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
