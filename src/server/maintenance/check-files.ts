import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { sql } from 'kysely'
import { type Digest, digestAlgorithm, isDigest } from '../../oci/digest.ts'
import type { Finding, WorkOptions } from '../../ports/server-data.ts'
import { BLOBS_FOLDER, blobPath, UPLOADS_FOLDER } from '../content/blob-store.ts'
import { isMissingFile } from '../content/file-errors.ts'
import type { Db } from '../store/database.ts'

/** Blobs are layers: large reads keep the disk busy. */
const READ_BYTES = 1024 * 1024
/** Rows in memory at once. */
const PAGE = 1000

/** Hashes every blob that the database knows. A server that runs may remove some meanwhile: those are no loss. */
export async function checkBlobs(
  db: Db,
  dataDir: string,
  { signal, onProgress }: WorkOptions,
): Promise<{ findings: Finding[]; blobs: number; bytes: number }> {
  const { total } = await db
    .selectFrom('blobs')
    .select(sql<number>`COALESCE(SUM(size), 0)`.as('total'))
    .executeTakeFirstOrThrow()
  const findings: Finding[] = []
  let blobs = 0
  let bytes = 0
  for await (const { digest, size } of blobsOf(db)) {
    signal.throwIfAborted()
    const found = await problemOfBlob(dataDir, digest, size, signal)
    if (found && (await isKnown(db, digest))) findings.push({ ...found, subject: digest })
    blobs++
    bytes += size
    onProgress?.(bytes, total)
  }
  return { findings, blobs, bytes }
}

/** Files that no row knows, and that a sweep should have removed: last written before `before`. */
export async function checkOrphans(db: Db, dataDir: string, before: number): Promise<Finding[]> {
  const orphans: string[] = []
  for await (const { name, path } of filesBelow(dataDir, BLOBS_FOLDER)) {
    const [algorithm = '', folder = '', hex = ''] = name.split('/')
    const digest = `${algorithm}:${hex}`
    const isInPlace = isDigest(digest) && hex.startsWith(folder) && folder.length === 2
    if (isInPlace && (await isKnown(db, digest))) continue
    if (await isOlder(path, before)) orphans.push(`${BLOBS_FOLDER}/${name}`)
  }
  for await (const { name, path } of filesBelow(dataDir, UPLOADS_FOLDER)) {
    const row = await db.selectFrom('uploads').select('id').where('id', '=', name).executeTakeFirst()
    if (!row && (await isOlder(path, before))) orphans.push(`${UPLOADS_FOLDER}/${name}`)
  }
  const problem = 'nothing in the database knows this file'
  return orphans.map((subject) => ({ code: 'FILE_ORPHANED', subject, problem }))
}

async function* blobsOf(db: Db): AsyncGenerator<{ digest: Digest; size: number }> {
  let after = ''
  for (;;) {
    const rows = await db
      .selectFrom('blobs')
      .select(['digest', 'size'])
      .where('digest', '>', after)
      .orderBy('digest')
      .limit(PAGE)
      .execute()
    yield* rows as { digest: Digest; size: number }[]
    if (rows.length < PAGE) return
    after = rows.at(-1)!.digest
  }
}

async function problemOfBlob(
  dataDir: string,
  digest: Digest,
  size: number,
  signal: AbortSignal,
): Promise<Pick<Finding, 'code' | 'problem'> | undefined> {
  const path = blobPath(dataDir, digest)
  try {
    const { size: actualSize } = await stat(path)
    if (actualSize !== size) {
      return { code: 'BLOB_DAMAGED', problem: `its file has ${actualSize} bytes instead of ${size}` }
    }
    const hash = createHash(digestAlgorithm(digest))
    await pipeline(createReadStream(path, { highWaterMark: READ_BYTES }), hash, { signal })
    const actual = `${digestAlgorithm(digest)}:${hash.digest('hex')}`
    if (actual === digest) return undefined
    return { code: 'BLOB_DAMAGED', problem: `its file hashes to ${actual}` }
  } catch (error) {
    signal.throwIfAborted()
    if (isMissingFile(error)) return { code: 'BLOB_MISSING', problem: 'its file is not there' }
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    const problem = `its file cannot be read: ${code}`
    // EIO is what a dying disk answers. What another owner or a process at its limits keeps from us may be whole.
    return { code: code === 'EIO' ? 'BLOB_DAMAGED' : 'BLOB_UNREADABLE', problem }
  }
}

async function isKnown(db: Db, digest: string): Promise<boolean> {
  const row = await db.selectFrom('blobs').select('digest').where('digest', '=', digest).executeTakeFirst()
  return row !== undefined
}

/** `name` is relative to the folder, with slashes. */
async function* filesBelow(
  dataDir: string,
  folder: string,
  prefix = '',
): AsyncGenerator<{ name: string; path: string }> {
  const here = join(dataDir, folder, prefix)
  const entries = await readdir(here, { withFileTypes: true }).catch((error: unknown) => {
    if (isMissingFile(error)) return []
    throw error
  })
  for (const entry of entries) {
    const name = prefix + entry.name
    if (entry.isDirectory()) yield* filesBelow(dataDir, folder, `${name}/`)
    else yield { name, path: join(here, entry.name) }
  }
}

async function isOlder(path: string, before: number): Promise<boolean> {
  try {
    return (await stat(path)).mtimeMs < before
  } catch (error) {
    if (isMissingFile(error)) return false
    throw error
  }
}
