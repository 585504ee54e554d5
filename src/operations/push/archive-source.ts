import type { ArchiveImage, OpenedArchive } from '../../archive/archive-image.ts'
import { mapLimit } from '../../internal/concurrency.ts'
import { shortDigest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import type { ImageSource, SourceLayer } from './source.ts'

/** One image of an opened archive or layout; closing it closes the archive. */
export function archiveSource(title: string, archive: OpenedArchive, image: ArchiveImage): ImageSource {
  const asIs = isSentAsItIs(archive, image)
  const layers = image.layers.map(
    (layer): SourceLayer => ({
      label: shortDigest(layer.diffID),
      content: layer.descriptor?.digest ?? layer.diffID,
      diffID: layer.diffID,
      descriptor: asIs || layer.compression !== 'none' ? layer.descriptor : undefined,
      compression: layer.compression,
      storedSize: layer.storedSize,
      reopens: true,
      open: (offset, signal) => layer.open({ offset, ...(signal ? { signal } : {}) }),
      chunks: (signal) => layer.chunks(signal),
    }),
  )
  return {
    kind: archive.kind,
    title,
    engineReference: undefined,
    platform: image.platform,
    variants: [],
    enginePlatform: undefined,
    repoTags: image.repoTags,
    command: [...image.config.entrypoint, ...image.config.cmd],
    diffIDs: image.layers.map(({ diffID }) => diffID),
    size: image.layers.reduce((sum, { storedSize }) => sum + storedSize, 0),
    configDigest: image.configDigest,
    manifestDigests: image.manifest ? [image.manifest.digest] : [],
    manifest: asIs ? image.manifest : undefined,
    configBytes: image.configBytes,
    layerSizes: async () => new Map(image.layers.map(({ diffID, storedSize }) => [diffID, storedSize])),
    async transferLayers(transfer, { atOnce, signal }) {
      // The smallest first: what is done early need not be done again by a later run.
      const distinct = [...new Map(layers.map((layer) => [layer.diffID!, layer])).values()].sort(
        (a, b) => a.storedSize - b.storedSize,
      )
      const sent = await mapLimit(
        distinct,
        atOnce,
        (layer, _, layerSignal) => transfer(layer, layerSignal),
        signal,
      )
      const blobs = new Map<string, Descriptor>(distinct.map(({ diffID }, i) => [diffID!, sent[i]!]))
      return {
        configBytes: image.configBytes,
        layers: image.layers.map(({ diffID }) => blobs.get(diffID)!),
        manifest: asIs ? image.manifest : undefined,
      }
    },
    pickLayers: undefined,
    close: () => archive.close(),
  }
}

/**
 * An OCI layout is sent byte for byte: its digest is what people pinned. A docker-save archive promises no digest,
 * and its layers may be plain tars, which are worth compressing.
 */
function isSentAsItIs(archive: OpenedArchive, image: ArchiveImage): boolean {
  return archive.kind === 'oci-layout' || image.layers.every(({ compression }) => compression !== 'none')
}
