import { createHash } from 'node:crypto'
import { ImgctlError } from '../../errors/error.ts'
import { type Digest, digestAlgorithm, digestBytes } from '../../oci/digest.ts'
import {
  type Descriptor,
  type Index,
  MAX_MANIFEST_BYTES,
  type Manifest,
  parseManifest,
} from '../../oci/manifest.ts'
import { INDEX_TYPES, MANIFEST_TYPES } from '../../oci/media-types.ts'
import type { Db, Trx } from '../store/database.ts'
import type { ManifestReferenceTable } from '../store/schema.ts'

export interface StoredManifest {
  readonly digest: string
  readonly mediaType: string
  readonly size: number
  readonly content: Uint8Array
  readonly touchedAt: number
}

export interface ManifestPut {
  readonly repositoryId: number
  readonly bytes: Uint8Array
  /** What the client calls it; the document's own `mediaType` must not contradict it. */
  readonly mediaType?: string
  /** What the bytes must hash to; without it they are stored under their sha256 digest. */
  readonly digest?: Digest
  /** The index of an image that was fetched for one platform: its other manifests may be absent. */
  readonly sparse?: boolean
  readonly now: number
}

/**
 * Stores a manifest or index whose blobs and manifests are all in this repository. A subject may come later.
 * Storing it again only renews its time.
 *
 * @throws ImgctlError TOO_LARGE, DIGEST_MISMATCH, MANIFEST_INVALID; BLOB_MISSING with the missing digests in
 *   `context`
 */
export async function storeManifest(
  trx: Trx,
  put: ManifestPut,
): Promise<{ digest: Digest; manifest: Manifest | Index }> {
  const { repositoryId, bytes, now } = put
  if (bytes.length > MAX_MANIFEST_BYTES) {
    throw new ImgctlError('TOO_LARGE', `a manifest may have at most ${MAX_MANIFEST_BYTES} bytes`)
  }
  const digest = verifiedDigest(bytes, put.digest)
  const manifest = parseManifest(bytes, put.mediaType)
  const references = await presentReferences(trx, repositoryId, manifest, put.sparse ?? false)
  const { artifactType, subject, annotations } = manifest
  await trx
    .insertInto('manifests')
    .values({
      repositoryId,
      digest,
      mediaType: manifest.mediaType,
      size: bytes.length,
      content: bytes,
      subject: subject?.digest ?? null,
      artifactType: artifactType || (manifest.kind === 'manifest' ? manifest.config.mediaType : null),
      annotationsJson: annotations ? JSON.stringify(annotations) : null,
      createdAt: now,
      touchedAt: now,
    })
    .onConflict((conflict) => conflict.columns(['repositoryId', 'digest']).doUpdateSet({ touchedAt: now }))
    .execute()
  for (const rows of inBatches(references)) {
    await trx
      .insertInto('manifest_references')
      .values(rows.map((row) => ({ repositoryId, manifestDigest: digest, ...row })))
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
  return { digest, manifest }
}

/** A manifest by digest or tag. */
export function findManifest(
  db: Db | Trx,
  repositoryId: number,
  reference: { readonly digest: string } | { readonly tag: string },
): Promise<StoredManifest | undefined> {
  const query = db
    .selectFrom('manifests')
    .select(['manifests.digest', 'mediaType', 'size', 'content', 'touchedAt'])
    .where('manifests.repositoryId', '=', repositoryId)
  if ('digest' in reference) return query.where('manifests.digest', '=', reference.digest).executeTakeFirst()
  return query
    .innerJoin('tags', (join) =>
      join
        .onRef('tags.repositoryId', '=', 'manifests.repositoryId')
        .onRef('tags.digest', '=', 'manifests.digest'),
    )
    .where('tags.tag', '=', reference.tag)
    .executeTakeFirst()
}

/** A push relies on a manifest that is there: it stays for the grace time. */
export async function touchManifest(
  db: Db | Trx,
  repositoryId: number,
  digest: string,
  now: number,
): Promise<void> {
  await db
    .updateTable('manifests')
    .set({ touchedAt: now })
    .where('repositoryId', '=', repositoryId)
    .where('digest', '=', digest)
    .execute()
}

/** Deletes a manifest and the tags that point at it. @returns false when it was not there */
export async function deleteManifest(trx: Trx, repositoryId: number, digest: string): Promise<boolean> {
  await trx.deleteFrom('tags').where('repositoryId', '=', repositoryId).where('digest', '=', digest).execute()
  const { numDeletedRows } = await trx
    .deleteFrom('manifests')
    .where('repositoryId', '=', repositoryId)
    .where('digest', '=', digest)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** A manifest that needs `digest` (a blob, or a manifest of an index) to stay whole; undefined when none does. */
export async function manifestThatNeeds(
  db: Db | Trx,
  repositoryId: number,
  digest: string,
): Promise<string | undefined> {
  const row = await db
    .selectFrom('manifest_references')
    .select('manifestDigest')
    .where('repositoryId', '=', repositoryId)
    .where('digest', '=', digest)
    .executeTakeFirst()
  return row?.manifestDigest
}

function verifiedDigest(bytes: Uint8Array, expected: Digest | undefined): Digest {
  if (!expected) return digestBytes(bytes)
  const algorithm = digestAlgorithm(expected)
  const actual: Digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
  if (actual === expected) return expected
  throw new ImgctlError('DIGEST_MISMATCH', `the manifest that arrived is ${actual}, not ${expected}`)
}

type Reference = Pick<ManifestReferenceTable, 'digest' | 'kind'>

/** What a manifest refers to and the repository has. Only layers that live elsewhere may be absent. */
async function presentReferences(
  trx: Trx,
  repositoryId: number,
  manifest: Manifest | Index,
  sparse: boolean,
): Promise<Reference[]> {
  const references = referencesOf(manifest)
  const present: Reference[] = []
  for (const kind of ['blob', 'manifest'] as const) {
    const wanted = new Set(references.filter((one) => one.kind === kind).map((one) => one.descriptor.digest))
    for (const digests of inBatches([...wanted])) {
      const rows = await trx
        .selectFrom(kind === 'blob' ? 'blob_links' : 'manifests')
        .select('digest')
        .where('repositoryId', '=', repositoryId)
        .where('digest', 'in', digests)
        .execute()
      present.push(...rows.map(({ digest }) => ({ digest, kind })))
    }
  }
  const known = new Set(present.map(({ digest }) => digest))
  const missing = references.filter(
    ({ descriptor, kind }) =>
      !known.has(descriptor.digest) && !livesElsewhere(descriptor) && !(sparse && kind === 'manifest'),
  )
  if (missing.length === 0) return present
  throw new ImgctlError('BLOB_MISSING', 'the manifest refers to content that this repository does not have', {
    hint: 'push the missing blobs and manifests first',
    context: [...new Set(missing.map(({ descriptor }) => descriptor.digest))],
  })
}

/** SQLite takes some ten thousand values in a statement; a manifest has at most as many references. */
function* inBatches<T>(items: readonly T[], size = 1000): Generator<T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size)
}

function referencesOf(manifest: Manifest | Index): { descriptor: Descriptor; kind: Reference['kind'] }[] {
  if (manifest.kind === 'manifest') {
    return [manifest.config, ...manifest.layers].map((descriptor) => ({ descriptor, kind: 'blob' }))
  }
  // An index may list blobs too: build caches do.
  return manifest.manifests.map((descriptor) => {
    const isManifest = [...MANIFEST_TYPES, ...INDEX_TYPES].includes(descriptor.mediaType)
    return { descriptor, kind: isManifest ? 'manifest' : 'blob' }
  })
}

/**
 * Layers with `urls`, or that must not be distributed, need not be pushed.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#non-distributable-layers
 */
export function livesElsewhere({ mediaType, urls }: Descriptor): boolean {
  return Boolean(urls?.length) || mediaType.includes('.nondistributable.') || mediaType.includes('.foreign.')
}
