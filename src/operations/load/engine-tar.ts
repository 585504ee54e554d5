import type { ArchiveImage, OpenedArchive } from '../../archive/archive-image.ts'
import { packImages } from '../../archive/pack-images.ts'
import { dockerSaveFiles } from '../../archive/save-files.ts'
import { tarSize, writeTar } from '../../archive/tar-write.ts'
import { formatReference, parseReference } from '../../oci/reference.ts'
import type { EngineInfo } from '../../ports/engine.ts'

/** The tar that an engine is given. */
export interface EngineTar {
  readonly bytes: AsyncIterable<Uint8Array>
  /** Bytes; about, when it is not known before the end. */
  readonly size: number
}

/**
 * Chooses the form that keeps most and that the engine understands: the archive as it is; for a containerd store a
 * layout with the images' own manifests; for any other engine a classic docker-save archive.
 */
export function engineTar(
  archive: OpenedArchive,
  chosen: readonly ArchiveImage[],
  { store }: Pick<EngineInfo, 'store'>,
  signal: AbortSignal | undefined,
): EngineTar {
  const isWhole = chosen.length === archive.images.length
  if (isWhole && isUnderstood(archive, store)) {
    return { bytes: archive.tar(signal), size: archive.tarSize }
  }
  const blobs = store === 'containerd' ? chosen.map((image) => asBlobs(image, signal)) : []
  if (blobs.length > 0 && blobs.every((image) => image !== undefined)) {
    const files = packImages(blobs, 'docker')
    return { bytes: writeTar(files), size: tarSize(files) }
  }
  const layers = new Map(
    chosen.flatMap((image) => image.layers.map((layer) => [layer.path, layer.storedSize])),
  )
  const size = [...layers.values()].reduce((sum, bytes) => sum + bytes, 0)
  return { bytes: writeTar(dockerSaveFiles(chosen, signal ? { signal } : {})), size }
}

/** A classic store knows no layouts, and not in every version zstd. */
function isUnderstood({ kind, images }: OpenedArchive, store: EngineInfo['store']): boolean {
  if (store === 'containerd') return kind === 'docker-save' || images.every(hasWholeNames)
  return (
    kind === 'docker-save' &&
    !images.some(({ layers }) => layers.some(({ compression }) => compression === 'zstd'))
  )
}

/**
 * A containerd store takes a layout's names as they are written: nobody would find `app:1.0` again, which is
 * `docker.io/library/app:1.0` for whoever asks for it, and a mere tag `1.0` becomes `1.0:latest`.
 */
function hasWholeNames({ names, repoTags }: ArchiveImage): boolean {
  const whole = repoTags.map((name) => formatReference(parseReference(name)))
  return names.length === 0 || (whole.length > 0 && whole.every((name) => names.includes(name)))
}

/** Undefined for an image whose layers have no digest of their own. */
function asBlobs(image: ArchiveImage, signal: AbortSignal | undefined) {
  const layers = image.layers.flatMap((layer) => {
    const { descriptor } = layer
    if (descriptor === undefined) return []
    return [{ descriptor, open: () => layer.chunks(signal) }]
  })
  return layers.length === image.layers.length ? { ...image, layers } : undefined
}
