import { type ImageRow, listRows } from '../../operations/local/list-rows.ts'
import type { EngineCatalog } from '../../ports/engine-catalog.ts'
import type { Format } from '../../terminal/format.ts'
import { printRecords } from '../../terminal/records.ts'
import type { Streams } from '../../terminal/streams.ts'
import { booleanOf, type Filter, singleValueOf, valuesOf } from '../options/filters.ts'
import { localImageView } from '../views/local-image.ts'

export const LOCAL_FILTERS = ['dangling', 'reference', 'label', 'before', 'since'] as const

export interface ListLocalOptions {
  readonly filter: readonly Filter<(typeof LOCAL_FILTERS)[number]>[]
  readonly digests: boolean
  /** Shortens ids on a terminal. */
  readonly trunc: boolean
  readonly format: Format
  readonly quiet: boolean
}

interface ListLocalContext {
  readonly streams: Streams
  readonly signal: AbortSignal
}

/** `image list --local`: what `docker image ls` shows. */
export async function listLocal(
  engine: EngineCatalog,
  { filter, digests, trunc, format, quiet }: ListLocalOptions,
  { streams, signal }: ListLocalContext,
): Promise<void> {
  const dangling = booleanOf(filter, 'dangling')
  const before = singleValueOf(filter, 'before')
  const since = singleValueOf(filter, 'since')
  const query = {
    references: valuesOf(filter, 'reference'),
    labels: valuesOf(filter, 'label'),
    everyDigest: digests,
    ...(dangling === undefined ? {} : { dangling }),
    ...(before === undefined ? {} : { before }),
    ...(since === undefined ? {} : { since }),
  }
  const rows = await listRows(engine, query, signal)
  const view = localImageView({ digests, whole: !trunc, now: Date.now() })
  await printRecords(streams.stdout, quiet ? onePerImage(rows) : rows, view, { format, quiet })
  if (rows.length === 0 && format.kind === 'table' && !quiet) streams.stderr.write('No images found\n')
}

/** An id that stands twice would be deleted twice by what reads it. */
function onePerImage(rows: readonly ImageRow[]): ImageRow[] {
  return [...new Map(rows.map((row) => [row.id, row])).values()]
}
