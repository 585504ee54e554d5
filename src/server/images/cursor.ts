import { IMAGE_SORTS } from '../../contract/image.ts'
import { ImgctlError } from '../../errors/error.ts'

export type ImageSort = (typeof IMAGE_SORTS)[number]
export type Order = 'asc' | 'desc'

/** Where a page ended: the next one starts after this row, however many rows came in before it. */
export interface Cursor {
  readonly sort: ImageSort
  readonly order: Order
  /** The sort key of the page's last row. */
  readonly value: string | number
  readonly id: string
  /** The number of the page that follows. */
  readonly page: number
}

export function encodeCursor({ sort, order, value, id, page }: Cursor): string {
  return Buffer.from(JSON.stringify([sort, order, value, id, page])).toString('base64url')
}

/** @throws ImgctlError BAD_REQUEST */
export function decodeCursor(text: string): Cursor {
  let fields: unknown
  try {
    fields = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    throw invalidCursor()
  }
  if (!Array.isArray(fields) || fields.length !== 5) throw invalidCursor()
  const [sort, order, value, id, page] = fields as unknown[]
  const known = IMAGE_SORTS.find((name) => name === sort)
  if (!known || (order !== 'asc' && order !== 'desc')) throw invalidCursor()
  if (typeof value !== (known === 'name' ? 'string' : 'number')) throw invalidCursor()
  if (typeof id !== 'string' || !Number.isSafeInteger(page) || (page as number) < 1) throw invalidCursor()
  return { sort: known, order, value: value as string | number, id, page: page as number }
}

function invalidCursor(): ImgctlError {
  return new ImgctlError('BAD_REQUEST', 'the cursor is not one that this server gave', {
    hint: 'start again without a cursor',
  })
}
