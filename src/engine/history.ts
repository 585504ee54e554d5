import { isDigest } from '../oci/digest.ts'
import type { Platform } from '../oci/platform.ts'
import type { EngineHistoryEntry } from '../ports/engine-transfer.ts'
import type { EngineConnection } from './connection.ts'
import { notFound } from './images.ts'
import { asFields, numberAt, stringAt, stringsAt } from './json-fields.ts'
import { engineName } from './names.ts'
import { platformQuery } from './platforms.ts'

/**
 * As EngineHistory.imageHistory.
 * https://docs.docker.com/reference/api/engine/#tag/Image/operation/ImageHistory
 */
export async function imageHistory(
  engine: EngineConnection,
  reference: string,
  signal?: AbortSignal,
  platform?: Platform,
): Promise<EngineHistoryEntry[]> {
  const path = `/images/${engineName(reference)}/history`
  const query = platformQuery(engine, 'history', platform)
  const rows = await engine.json({ method: 'GET', path, query, signal, refusal: notFound(reference) })
  return Array.isArray(rows) ? rows.map(readEntry) : []
}

function readEntry(row: unknown): EngineHistoryEntry {
  const fields = asFields(row)
  const id = stringAt(fields, 'Id') ?? ''
  const digest = /^[0-9a-f]{64}$/.test(id) ? `sha256:${id}` : id
  const created = numberAt(fields, 'Created')
  return {
    // `<missing>` for steps that left no image.
    id: isDigest(digest) ? digest : undefined,
    // Go's zero time is long before 1970; 1970 itself is what reproducible builds write.
    created: created === undefined || created < 0 ? undefined : created * 1000,
    createdBy: stringAt(fields, 'CreatedBy') ?? '',
    comment: stringAt(fields, 'Comment') ?? '',
    size: numberAt(fields, 'Size') ?? 0,
    tags: stringsAt(fields, 'Tags'),
  }
}
