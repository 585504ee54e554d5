import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Db } from '../store/database.ts'
import type { ImageTable } from '../store/schema.ts'

/** Of a query: an image must have the key, with this value when there is one. */
export interface Label {
  readonly key: string
  readonly value: string | undefined
}

/** `key` or `key=value`; a value may have `=` in it. */
export function parseLabel(text: string): Label {
  const equals = text.indexOf('=')
  return equals < 0
    ? { key: text, value: undefined }
    : { key: text.slice(0, equals), value: text.slice(equals + 1) }
}

/** For rows that are looked at anyway. The search in the text is fast and lets too much through; the other is exact. */
export function hasLabel({ key, value }: Label) {
  const text = `${JSON.stringify(key)}:${value === undefined ? '' : JSON.stringify(value)}`
  const isValue = value === undefined ? sql`` : sql` AND value = ${value}`
  return sql<SqlBool>`(INSTR("labelsJson", ${text}) > 0
    AND EXISTS (SELECT 1 FROM json_each("labelsJson") WHERE key = ${key}${isValue}))`
}

/** How many images of an organization have a label; `most` when there are more. */
export async function countLabelled(
  db: Db,
  organizationId: string,
  label: Label,
  most = Number.MAX_SAFE_INTEGER,
): Promise<number> {
  const { rows } = await sql<{ total: number }>`SELECT COUNT(*) AS total FROM (
    SELECT 1 FROM image_labels l WHERE ${labelled(organizationId, label)} LIMIT ${most})`.execute(db)
  return rows[0]!.total
}

/**
 * The images of an organization that have a label, in place of their table. CROSS, since SQLite knows no numbers: it would begin
 * with any other index that a filter gives it (https://www.sqlite.org/optoverview.html#crossjoin).
 */
export function labelledImages(organizationId: string, label: Label) {
  const images: RawBuilder<ImageTable> = sql`(SELECT i.* FROM image_labels l CROSS JOIN images i ON i.id = l."imageId"
    WHERE ${labelled(organizationId, label)})`
  return images.as<'images'>(sql.ref('images'))
}

/** The rows of image_labels as `l`. An image has a key once, so each image is there once. */
function labelled(organizationId: string, { key, value }: Label) {
  const isValue = value === undefined ? sql`` : sql` AND l.value = ${value}`
  return sql<SqlBool>`l."organizationId" = ${organizationId} AND l.key = ${key}${isValue}`
}
