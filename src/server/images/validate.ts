import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { type Digest, digestAlgorithm } from '../../oci/digest.ts'
import { type ImageConfig, MAX_CONFIG_BYTES, parseImageConfig } from '../../oci/image-config.ts'
import { type Descriptor, type Manifest, parseManifest } from '../../oci/manifest.ts'
import { formatPlatform, matchesPlatform } from '../../oci/platform.ts'
import { findBlob } from '../content/links.ts'
import { findManifest } from '../content/manifests.ts'
import { findRepository } from '../content/repositories.ts'
import type { ServerContext } from '../context.ts'
import type { ImageTable } from '../store/schema.ts'
import { checkImageSize, imageBlobs, pickImage, wrongPlatform } from './image-content.ts'
import { countImages } from './quota.ts'
import { StepFailure } from './reasons.ts'

/** What validation finds out about an image. */
export interface Validated {
  readonly platform: string
  /** Config and layers, each blob counted once. */
  readonly sizeBytes: number
  readonly ownEntrypointJson: string | null
}

type Ctx = Pick<ServerContext, 'db' | 'blobs' | 'settings'>

/**
 * Checks that an image can be run from what this server holds. Layers were hashed when they were stored, so their
 * presence and size are enough; manifest and config are small and are hashed again.
 *
 * @throws StepFailure, ImgctlError MANIFEST_INVALID, BLOB_MISSING, DIGEST_MISMATCH, ARCH_MISMATCH, TOO_LARGE,
 *   QUOTA_EXCEEDED, NO_ENTRYPOINT
 */
export async function validateImage(ctx: Ctx, image: ImageTable): Promise<Validated> {
  await checkQuota(ctx, image.organizationId)
  const repositoryId = await findRepository(ctx.db, image.organizationId, image.repository)
  if (repositoryId === undefined || image.digest === null) throw missing(`the repository ${image.repository}`)
  const manifest = await imageManifest(ctx, repositoryId, image.digest)
  const blobs = imageBlobs(manifest)
  const sizeBytes = checkImageSize(blobs, ctx.settings.limits.imageBytes)
  for (const blob of blobs) await checkBlob(ctx, repositoryId, blob)
  const config = await readConfig(ctx, manifest.config)
  checkConfig(ctx, manifest, config)
  const command = [...config.entrypoint, ...config.cmd]
  if (command.length === 0 && image.entrypointJson === null) {
    throw new StepFailure('NO_ENTRYPOINT', 'the image has no entrypoint and no command')
  }
  return {
    platform: formatPlatform(config.platform),
    sizeBytes,
    ownEntrypointJson: command.length === 0 ? null : JSON.stringify(command),
  }
}

/** The image is counted itself, so it is the quota that may have become smaller. */
async function checkQuota({ db }: Ctx, organizationId: string): Promise<void> {
  const { used, quota } = await countImages(db, organizationId)
  if (used > quota) {
    throw new StepFailure('QUOTA_EXCEEDED', `the organization has ${used} images, and may have ${quota}`)
  }
}

/** The manifest to run: the one that the name points to, or the supported platform's of an index. */
async function imageManifest(ctx: Ctx, repositoryId: number, digest: string): Promise<Manifest> {
  const top = await readManifest(ctx, repositoryId, digest)
  if (top.kind === 'manifest') return top
  const picked = pickImage(top, ctx.settings.platforms)
  const manifest = await readManifest(ctx, repositoryId, picked.digest)
  if (manifest.kind === 'manifest') return manifest
  throw new StepFailure('MANIFEST_INVALID', 'the index lists another index where an image should be')
}

async function readManifest({ db }: Ctx, repositoryId: number, digest: string) {
  const stored = await findManifest(db, repositoryId, { digest })
  if (!stored) throw missing(`the manifest ${digest}`)
  verify(stored.content, digest as Digest, 'the manifest')
  return parseManifest(stored.content, stored.mediaType)
}

async function checkBlob(
  { db, blobs }: Ctx,
  repositoryId: number,
  { digest, size }: Descriptor,
): Promise<void> {
  const linked = await findBlob(db, repositoryId, digest)
  const stored = linked && (await blobs.size(digest))
  if (stored === undefined) throw missing(`the blob ${digest}`)
  if (stored === size) return
  throw new StepFailure('MANIFEST_INVALID', `${digest} has ${stored} bytes, and the manifest says ${size}`)
}

async function readConfig({ blobs }: Ctx, { digest, size }: Descriptor): Promise<ImageConfig> {
  if (size > MAX_CONFIG_BYTES) throw new StepFailure('MANIFEST_INVALID', `the image config has ${size} bytes`)
  const bytes = await buffer(await blobs.read(digest))
  verify(bytes, digest, 'the image config')
  return parseImageConfig(bytes)
}

function checkConfig({ settings }: Ctx, { layers }: Manifest, { platform, diffIDs }: ImageConfig): void {
  if (diffIDs.length !== layers.length) {
    const counts = `${diffIDs.length} diff_ids for ${layers.length} layers`
    throw new StepFailure('MANIFEST_INVALID', `config and manifest do not belong together: ${counts}`)
  }
  if (settings.platforms.some((wanted) => matchesPlatform(platform, wanted))) return
  throw wrongPlatform(formatPlatform(platform), settings.platforms)
}

function verify(bytes: Uint8Array, digest: Digest, what: string): void {
  const algorithm = digestAlgorithm(digest)
  const actual = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
  if (actual === digest) return
  throw new StepFailure('DIGEST_MISMATCH', `${what} hashes to ${actual}, not to ${digest}`)
}

function missing(what: string): StepFailure {
  return new StepFailure('BLOB_MISSING', `${what} is not on the server`)
}
