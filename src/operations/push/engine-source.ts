import { type PassingLayer, readDockerExport } from '../../archive/docker-export.ts'
import { selectImage } from '../../archive/select-image.ts'
import { type Digest, shortDigest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import { OCI_LAYER_GZIP, OCI_LAYER_ZSTD } from '../../oci/media-types.ts'
import type { Platform } from '../../oci/platform.ts'
import type { Engine } from '../../ports/engine.ts'
import { ownVariant } from '../engine-platform.ts'
import type { ImageSource, SourceLayer } from './source.ts'

/** How exports of Docker 25 and later name what they hold; earlier ones use ids that say nothing of the content. */
const BLOB_PATH = /^blobs\/sha256\/([0-9a-f]{64})$/

/**
 * An image of an engine. Its layers are read from one export, in the engine's order; nothing is exported before
 * `transferLayers`.
 *
 * @param title what messages call it
 * @param platforms of an index, the first that is here
 * @throws ImgctlError IMAGE_NOT_FOUND, ENGINE_UNREACHABLE
 */
export async function engineSource(
  engine: Engine,
  reference: string,
  title: string,
  platforms: readonly Platform[],
  signal: AbortSignal | undefined,
): Promise<ImageSource> {
  const [image, { store }] = await Promise.all([
    engine.inspectImage(reference, signal, platforms),
    engine.info(signal),
  ])
  const variant = ownVariant(image)
  return {
    kind: 'engine',
    title,
    engineReference: reference,
    platform: image.platform,
    variants: image.variants,
    enginePlatform: variant?.platform,
    repoTags: image.repoTags,
    command: [...image.entrypoint, ...image.cmd],
    diffIDs: image.diffIDs,
    size: image.size,
    // A classic store names an image by its config, the containerd store by its manifest or index.
    configDigest: store === 'classic' ? image.id : undefined,
    manifestDigests: store === 'containerd' ? [...(variant ? [variant.digest] : []), image.id] : [],
    manifest: undefined,
    async transferLayers(transfer, signal) {
      const sent = new Map<string, Descriptor>()
      const images = await readDockerExport(
        await engine.exportImage(reference, signal, variant?.platform),
        async (layer) => {
          sent.set(layer.path, await transfer(passingLayer(layer), signal))
        },
        signal ? { signal } : {},
      )
      const { configBytes, layers, manifest } = selectImage(images, undefined, image.platform)
      return { configBytes, layers: layers.map(({ path }) => sent.get(path)!), manifest }
    },
    async close() {},
  }
}

function passingLayer({ path, compression, size, body }: PassingLayer): SourceLayer {
  const hex = BLOB_PATH.exec(path)?.[1]
  const digest: Digest | undefined = hex === undefined ? undefined : `sha256:${hex}`
  const mediaType = compression === 'zstd' ? OCI_LAYER_ZSTD : OCI_LAYER_GZIP
  return {
    label: shortDigest(digest ?? path),
    diffID: compression === 'none' ? digest : undefined,
    descriptor: digest && compression !== 'none' ? { mediaType, digest, size } : undefined,
    compression,
    storedSize: size,
    reopens: false,
    open: async () => body,
  }
}
