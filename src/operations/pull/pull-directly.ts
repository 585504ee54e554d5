import { packImages } from '../../archive/pack-images.ts'
import { tarSize, writeTar } from '../../archive/tar-write.ts'
import { withoutBufferGarbage } from '../../internal/buffer-garbage.ts'
import { countedBytes } from '../../internal/counted-bytes.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Platform } from '../../oci/platform.ts'
import { formatReference, type Reference } from '../../oci/reference.ts'
import type { EngineImages } from '../../ports/engine.ts'
import type { PulledImage } from '../../ports/engine-intake.ts'
import type { EngineLoad } from '../../ports/engine-transfer.ts'
import type { Repository } from '../../ports/registry.ts'
import { readBlob, readPlatformImage } from '../platform-image.ts'

/**
 * Reads an image from its registry here, each blob verified as it passes, and gives it to the engine as `docker load`
 * does: for an engine that does not reach the registry, in a VM without the way or the certificates that are here.
 *
 * @param reference with a tag, which is the image's name in the engine
 * @param onBytes what the engine has taken, and all there is
 * @throws ImgctlError as readPlatformImage and EngineLoad; DIGEST_MISMATCH, BLOB_MISSING
 */
export async function pullDirectly(
  engine: EngineImages & EngineLoad,
  repository: Repository,
  reference: Reference & { readonly tag: string },
  platform: Platform | undefined,
  onBytes: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<PulledImage> {
  const { platform: own } = await engine.info(signal)
  const name = formatReference(reference)
  const { digest } = await repository.readManifest(reference.digest ?? reference.tag, signal)
  const { manifest, config, configBytes } = await readPlatformImage(
    repository,
    { name, digest },
    platform ?? own,
    signal,
  )
  const layers = manifest.parsed.layers.map((descriptor) => ({
    descriptor,
    open: () => readBlob(repository, descriptor, signal),
  }))
  const image = { repoTags: [name], platform: config.platform, configBytes, manifest, layers }
  const files = packImages([image], 'docker')
  const size = tarSize(files)
  const before = await idOf(engine, name, signal)
  await engine.loadImages(
    countedBytes(withoutBufferGarbage(writeTar(files)), (done) => onBytes(done, size)),
    signal,
  )
  const { id } = await engine.inspectImage(name, signal)
  return { id, digests: [digest], isNew: id !== before, platform: config.platform }
}

async function idOf(engine: EngineImages, name: string, signal: AbortSignal): Promise<Digest | undefined> {
  return engine.inspectImage(name, signal).then(
    ({ id }) => id,
    () => undefined,
  )
}
