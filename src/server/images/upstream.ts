import { mapLimit } from '../../internal/concurrency.ts'
import type { Digest } from '../../oci/digest.ts'
import { type Descriptor, type Manifest, parseManifest } from '../../oci/manifest.ts'
import { parseReference, type Reference } from '../../oci/reference.ts'
import type { ManifestContent, OpenRepository, Repository } from '../../ports/registry.ts'
import { findBlob, mountBlob, touchBlob } from '../content/links.ts'
import { storeManifest } from '../content/manifests.ts'
import { ensureRepository } from '../content/repositories.ts'
import { storeBlob } from '../content/store-blob.ts'
import { tagManifest } from '../content/tags.ts'
import type { ServerContext } from '../context.ts'
import { upstreamCredentials } from '../identity/registry-credentials.ts'
import type { Trx } from '../store/database.ts'
import type { ImageTable } from '../store/schema.ts'
import { countFetch, totalsOf } from '../store/totals.ts'
import { checkImageSize, imageBlobs, pickImage } from './image-content.ts'
import { StepFailure, toFailure } from './reasons.ts'
import { upstreamFailure } from './upstream-failure.ts'
import { isPlainHttp } from './upstream-guard.ts'

/** Blobs of one image under way at once: enough to fill a line, too few to be taken for an attack. */
const BLOBS_AT_ONCE = 3

/** A manifest has kilobytes: with its token, what takes longer holds a place that others wait for. */
const MANIFEST_DEADLINE_MS = 60_000

export interface Fetched {
  /** What the reference means upstream now; of an index the index itself. */
  readonly digest: Digest
  /** Stores the manifests and sets the tag. The blobs are there already. */
  readonly commit: (trx: Trx) => Promise<void>
}

export type FetchImage = (image: ImageTable, signal: AbortSignal) => Promise<Fetched>

/**
 * Copies an image from the registry that its source names: what is missing of the supported platform's blobs,
 * verified, streamed from registry to disk.
 *
 * @throws StepFailure UPSTREAM_*, SOURCE_FORBIDDEN, ARCH_MISMATCH, MANIFEST_INVALID, DIGEST_MISMATCH, TOO_LARGE
 */
export function upstreamFetcher(
  ctx: ServerContext,
  open: OpenRepository,
  manifestDeadlineMs = MANIFEST_DEADLINE_MS,
): FetchImage {
  return async (image, signal) => {
    const reference = parseReference(JSON.parse(image.sourceJson).reference)
    try {
      const upstream = open(await locate(ctx, image.organizationId, reference))
      const read = (wanted: string) => readInTime(upstream, wanted, signal, manifestDeadlineMs)
      const manifests = await readManifests(ctx, read, reference.digest ?? reference.tag!)
      const repositoryId = await ctx.db
        .transaction()
        .execute((trx) => ensureRepository(trx, { ...image, path: image.repository, now: ctx.now() }))
      const target = { ctx, organizationId: image.organizationId, repositoryId }
      await mapLimit(manifests.blobs, BLOBS_AT_ONCE, (blob) => copyBlob(target, upstream, blob, signal))
      countFetch(ctx, 'fetched')
      return {
        digest: manifests.top.digest,
        commit: (trx) => storeManifests(trx, manifests, { repositoryId, tag: image.tag, now: ctx.now() }),
      }
    } catch (error) {
      signal.throwIfAborted()
      const failure = upstreamFailure(error)
      countFetch(ctx, toFailure(failure).code)
      throw failure
    }
  }
}

async function locate(ctx: ServerContext, organizationId: string, { domain, path }: Reference) {
  const known = await upstreamCredentials(ctx, organizationId, domain)
  const insecure = isPlainHttp(ctx.settings.allowUpstream, domain, known?.secure)
  return {
    host: domain,
    secure: !insecure,
    repository: path,
    ...(known ? { credentials: { username: known.username, password: known.password } } : {}),
  }
}

interface UpstreamManifests {
  /** What the reference means: an index, or the image's manifest. */
  readonly top: ManifestContent
  /** The image's manifest, when `top` is an index. */
  readonly picked: ManifestContent | undefined
  readonly blobs: readonly Descriptor[]
}

/** Everything small is read, and the size checked, before the first blob is. */
async function readManifests(
  { settings }: ServerContext,
  read: (reference: string) => Promise<ManifestContent>,
  reference: string,
): Promise<UpstreamManifests> {
  const top = await read(reference)
  const parsed = parseManifest(top.bytes, top.mediaType)
  const picked =
    parsed.kind === 'index' ? await read(pickImage(parsed, settings.platforms).digest) : undefined
  const blobs = imageBlobs(picked ? imageManifest(picked) : (parsed as Manifest))
  checkImageSize(blobs, settings.limits.imageBytes)
  return { top, picked, blobs }
}

/** @throws StepFailure UPSTREAM_UNREACHABLE when the manifest has not come, tries and token included, in that time */
async function readInTime(
  upstream: Repository,
  reference: string,
  signal: AbortSignal,
  deadlineMs: number,
): Promise<ManifestContent> {
  const deadline = AbortSignal.timeout(deadlineMs)
  try {
    return await upstream.readManifest(reference, AbortSignal.any([signal, deadline]))
  } catch (error) {
    if (!deadline.aborted) throw error
    const message = `the registry did not send the manifest within ${deadlineMs / 1000} seconds`
    throw new StepFailure('UPSTREAM_UNREACHABLE', message, { retryable: true })
  }
}

function imageManifest({ bytes, mediaType }: ManifestContent): Manifest {
  const manifest = parseManifest(bytes, mediaType)
  if (manifest.kind === 'manifest') return manifest
  throw new StepFailure('MANIFEST_INVALID', 'the index lists another index where an image should be')
}

interface Target {
  readonly ctx: ServerContext
  readonly organizationId: string
  readonly repositoryId: number
}

async function copyBlob(
  target: Target,
  upstream: Repository,
  blob: Descriptor,
  signal: AbortSignal,
): Promise<void> {
  if (await hasBlob(target, blob)) return
  const source = await upstream.readBlob(blob, signal)
  const { ctx, repositoryId } = target
  await storeBlob(ctx, { repositoryId, source, expectedDigest: blob.digest, maxBytes: blob.size })
  totalsOf(ctx).fetchedBytes += blob.size
}

/**
 * Whether the blob need not be fetched: it is in this repository, or in another of the organization. What only
 * other organizations have is fetched all the same: an upstream of somebody's own can name any digest, and must
 * not get what it cannot deliver.
 */
async function hasBlob({ ctx, organizationId, repositoryId }: Target, blob: Descriptor): Promise<boolean> {
  const { digest, size } = blob
  if ((await ctx.blobs.size(digest)) !== size) return false
  const now = ctx.now()
  if (await findBlob(ctx.db, repositoryId, digest)) {
    await touchBlob(ctx.db, repositoryId, digest, now)
    return true
  }
  return ctx.db.transaction().execute(async (trx) => {
    const linked = await trx
      .selectFrom('blob_links')
      .innerJoin('repositories', 'repositories.id', 'blob_links.repositoryId')
      .select('digest')
      .where('digest', '=', digest)
      .where('organizationId', '=', organizationId)
      .executeTakeFirst()
    return linked !== undefined && (await mountBlob(trx, { repositoryId, digest, now }))
  })
}

async function storeManifests(
  trx: Trx,
  { top, picked }: UpstreamManifests,
  target: { readonly repositoryId: number; readonly tag: string; readonly now: number },
): Promise<void> {
  if (picked) await storeManifest(trx, { ...picked, ...target })
  // The other platforms of the index stay where they are.
  await storeManifest(trx, { ...top, ...target, sparse: picked !== undefined })
  await tagManifest(trx, { ...target, digest: top.digest })
}
