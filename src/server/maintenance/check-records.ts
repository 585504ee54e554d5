import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import { isCode } from '../../errors/error.ts'
import { type Digest, digestAlgorithm, isDigest } from '../../oci/digest.ts'
import { parseManifest } from '../../oci/manifest.ts'
import type { Finding, FindingCode } from '../../ports/server-data.ts'
import { livesElsewhere } from '../content/manifests.ts'
import type { Trx } from '../store/database.ts'

/** More of the same helps nobody. */
const MAX_SQLITE_FINDINGS = 100
/** Manifests in memory at once: each has at most 4 MiB. */
const PAGE = 20

/** What is wrong with the database: its file, and what its rows say of each other. One transaction: one moment. */
export async function checkRecords(db: Trx): Promise<Finding[]> {
  return [
    ...(await checkDatabase(db)),
    ...(await checkReferences(db)),
    ...(await checkManifests(db)),
    ...(await checkTags(db)),
    ...(await checkImages(db)),
    ...(await checkLabels(db)),
    ...(await checkSums(db)),
  ]
}

async function checkDatabase(db: Trx): Promise<Finding[]> {
  const pages = await sql<Record<string, unknown>>`
    PRAGMA integrity_check(${sql.lit(MAX_SQLITE_FINDINGS)})`.execute(db)
  const keys = await sql<{ table: string; parent: string }>`PRAGMA foreign_key_check`.execute(db)
  return [
    ...pages.rows.map((row) => String(Object.values(row)[0])).filter((text) => text !== 'ok'),
    ...keys.rows
      .slice(0, MAX_SQLITE_FINDINGS)
      .map(({ table, parent }) => `a row of ${table} refers to a row of ${parent} that is not there`),
  ].map((problem) => ({ code: 'DATABASE_DAMAGED', subject: 'imgctl.db', problem }))
}

/** What a manifest was stored with is linked in its repository still. */
function checkReferences(db: Trx): Promise<Finding[]> {
  return findings(
    db,
    'CONTENT_MISSING',
    sql`SELECT o.slug || '/' || p.path || '@' || r."manifestDigest" AS subject,
        'the ' || r.kind || ' ' || r.digest || ', which it needs, is not in its repository' AS problem
      FROM manifest_references r JOIN repositories p ON p.id = r."repositoryId"
        JOIN organizations o ON o.id = p."organizationId"
      WHERE CASE r.kind
        WHEN 'blob' THEN NOT EXISTS (SELECT 1 FROM blob_links l
          WHERE l."repositoryId" = r."repositoryId" AND l.digest = r.digest)
        ELSE NOT EXISTS (SELECT 1 FROM manifests m
          WHERE m."repositoryId" = r."repositoryId" AND m.digest = r.digest) END`,
  )
}

function checkTags(db: Trx): Promise<Finding[]> {
  return findings(
    db,
    'TAG_BROKEN',
    sql`SELECT o.slug || '/' || p.path || ':' || t.tag AS subject,
        'it points at ' || t.digest || ', which is not there' AS problem
      FROM tags t JOIN repositories p ON p.id = t."repositoryId" JOIN organizations o ON o.id = p."organizationId"
      WHERE NOT EXISTS (SELECT 1 FROM manifests m
        WHERE m."repositoryId" = t."repositoryId" AND m.digest = t.digest)`,
  )
}

/** An image that may be used has its content, and its tag says the same. */
function checkImages(db: Trx): Promise<Finding[]> {
  return findings(
    db,
    'IMAGE_BROKEN',
    sql`SELECT o.slug || '/' || i.name AS subject,
        'it is active, and its tag does not point at ' || COALESCE(i.digest, 'any content') AS problem
      FROM images i JOIN organizations o ON o.id = i."organizationId"
      WHERE i.state = 'active' AND NOT EXISTS (
        SELECT 1 FROM repositories p JOIN tags t ON t."repositoryId" = p.id AND t.tag = i.tag AND t.digest = i.digest
          WHERE p."organizationId" = i."organizationId" AND p.path = i.repository)`,
  )
}

/** What a list finds images by is what they have. */
function checkLabels(db: Trx): Promise<Finding[]> {
  const labels = sql`json_each(CASE WHEN json_valid(i."labelsJson") THEN i."labelsJson" ELSE '{}' END)`
  const same = sql`l."organizationId" = i."organizationId" AND l.key = j.key AND l.value = j.value AND l."imageId" = i.id`
  return findings(
    db,
    'DATABASE_DAMAGED',
    sql`SELECT DISTINCT o.slug || '/' || i.name AS subject, 'its label ' || j.key || ' does not find it' AS problem
      FROM images i JOIN organizations o ON o.id = i."organizationId", ${labels} j
      WHERE NOT EXISTS (SELECT 1 FROM image_labels l WHERE ${same})
    UNION SELECT l."imageId", 'it is found by a label ' || l.key || ', which it does not have' FROM image_labels l
      WHERE NOT EXISTS (SELECT 1 FROM images i, ${labels} j WHERE i.id = l."imageId" AND ${same})`,
  )
}

/** What counts for the quota is what is there. */
function checkSums(db: Trx): Promise<Finding[]> {
  return findings(
    db,
    'DATABASE_DAMAGED',
    sql`SELECT slug AS subject,
        'its blobs have ' || actual || ' bytes, and ' || "storedBytes" || ' are counted' AS problem
      FROM (SELECT o.slug, o."storedBytes", (SELECT COALESCE(SUM(b.size), 0) FROM blobs b
        WHERE EXISTS (SELECT 1 FROM blob_links l JOIN repositories p ON p.id = l."repositoryId"
          WHERE l.digest = b.digest AND p."organizationId" = o.id)) AS actual FROM organizations o)
      WHERE actual <> "storedBytes"`,
  )
}

async function checkManifests(db: Trx): Promise<Finding[]> {
  const found: Finding[] = []
  let after: { repositoryId: number; digest: string } | undefined
  for (;;) {
    let query = db
      .selectFrom('manifests as m')
      .innerJoin('repositories as p', 'p.id', 'm.repositoryId')
      .innerJoin('organizations as o', 'o.id', 'p.organizationId')
      .select([
        'm.repositoryId',
        'm.digest',
        'm.mediaType',
        'm.size',
        'm.content',
        'm.subject',
        'p.path',
        'o.slug',
      ])
      .orderBy('m.repositoryId')
      .orderBy('m.digest')
      .limit(PAGE)
    const last = after
    if (last) {
      query = query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('m.repositoryId', 'm.digest'), '>', tuple(last.repositoryId, last.digest)),
      )
    }
    const rows = await query.execute()
    for (const row of rows) {
      const problem = await problemOfManifest(db, row)
      const subject = `${row.slug}/${row.path}@${row.digest}`
      if (problem) found.push({ code: 'MANIFEST_DAMAGED', subject, problem })
    }
    after = rows.at(-1)
    if (rows.length < PAGE) return found
  }
}

interface ManifestRow {
  readonly repositoryId: number
  readonly digest: string
  readonly mediaType: string
  readonly size: number
  readonly content: Uint8Array
  readonly subject: string | null
}

/** The bytes hash to the digest, and what they name as config and layers is recorded as needed. */
async function problemOfManifest(db: Trx, row: ManifestRow): Promise<string | undefined> {
  const { repositoryId, digest, mediaType, size, content, subject } = row
  if (!isDigest(digest)) return 'its digest is none'
  const actual = digestOf(digest, content)
  if (actual !== digest) return `its bytes hash to ${actual}`
  if (content.length !== size) return `it has ${content.length} bytes, and its row says ${size}`
  const manifest = parsed(content, mediaType)
  if (!manifest) return 'it does not parse'
  if ((manifest.subject?.digest ?? null) !== subject) return 'its row names another subject'
  // What an index lists may be absent: of one that was fetched, only the server's platform is.
  if (manifest.kind === 'index') return undefined
  const recorded = await db
    .selectFrom('manifest_references')
    .select('digest')
    .where('repositoryId', '=', repositoryId)
    .where('manifestDigest', '=', digest)
    .execute()
  const known = new Set(recorded.map((each) => each.digest))
  const missing = [manifest.config, ...manifest.layers].find(
    (each) => !known.has(each.digest) && !livesElsewhere(each),
  )
  return missing && `the blob ${missing.digest} is not recorded as needed`
}

function parsed(content: Uint8Array, mediaType: string) {
  try {
    return parseManifest(content, mediaType)
  } catch (error) {
    if (isCode(error, 'MANIFEST_INVALID')) return undefined
    throw error
  }
}

function digestOf(like: Digest, bytes: Uint8Array): string {
  const algorithm = digestAlgorithm(like)
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

async function findings(db: Trx, code: FindingCode, query: ReturnType<typeof sql>): Promise<Finding[]> {
  const { rows } = await query.execute(db)
  return (rows as { subject: string; problem: string }[]).map((row) => ({ code, ...row }))
}
