import { Readable } from 'node:stream'
import { type PassingLayer, readDockerExport } from '../../archive/docker-export.ts'
import { selectImage } from '../../archive/select-image.ts'
import { type Digest, shortDigest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import { OCI_LAYER_GZIP, OCI_LAYER_ZSTD } from '../../oci/media-types.ts'
import type { Platform } from '../../oci/platform.ts'
import type { Engine } from '../../ports/engine.ts'
import type { PickedLayer } from '../../ports/engine-layers.ts'
import { ownVariant } from '../engine-platform.ts'
import { layersOfSteps } from '../history/layers-of-steps.ts'
import type { ImageSource, PickLayers, SourceLayer } from './source.ts'
import { newStagingTag, sweepStagingTags } from './staging-tag.ts'

/** How exports of Docker 25 and later name what they hold; earlier ones use ids that say nothing of the content. */
const BLOB_PATH = /^blobs\/sha256\/([0-9a-f]{64})$/

/**
 * An image of an engine. Its layers are read from one export, in the engine's order; nothing is exported before
 * `transferLayers`.
 *
 * @param title what messages call it
 * @param platforms of an index, the first that is here; the engine is found meanwhile
 * @throws ImgctlError IMAGE_NOT_FOUND, ENGINE_UNREACHABLE
 */
export async function engineSource(
  engine: Engine,
  reference: string,
  title: string,
  platforms: () => Promise<readonly Platform[]>,
  signal: AbortSignal | undefined,
): Promise<ImageSource> {
  const [image, { store }] = await Promise.all([
    platforms().then((accepted) => engine.inspectImage(reference, signal, accepted)),
    engine.info(signal),
  ])
  const variant = ownVariant(image)
  const pick: PickLayers = async (wanted, transfer, signal) => {
    await sweepStagingTags(engine, signal)
    const take = async (layer: PickedLayer, signal: AbortSignal) =>
      void (await transfer(singleLayer(layer), signal))
    // By its id: the other layers are those of this very image, whatever its name stands for by now.
    return engine.pickLayers(image.id, { tag: newStagingTag(), wanted }, take, signal)
  }
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
    configBytes: undefined,
    // The containerd store sends what it has: nobody asks how large its layers are.
    layerSizes: async (signal) =>
      store === 'classic' ? layerSizes(engine, reference, image.diffIDs, signal) : undefined,
    async transferLayers(transfer, { signal }) {
      const sent = new Map<string, Descriptor>()
      const images = await readDockerExport(
        await engine.exportImage(reference, signal, variant?.platform),
        async (layer) => {
          sent.set(layer.path, await transfer(passingLayer(layer, image.id), signal))
        },
        signal ? { signal } : {},
      )
      const { configBytes, layers, manifest } = selectImage(images, undefined, image.platform)
      return { configBytes, layers: layers.map(({ path }) => sent.get(path)!), manifest }
    },
    // An engine deletes an image with its only tag: one that has none gets none.
    pickLayers: store === 'classic' && image.repoTags.length > 0 ? pick : undefined,
    async close() {},
  }
}

/** The engine's history says what each step added, not which layer that is. */
async function layerSizes(
  engine: Engine,
  reference: string,
  diffIDs: readonly Digest[],
  signal: AbortSignal | undefined,
): Promise<Map<Digest, number> | undefined> {
  const steps = await engine.imageHistory(reference, signal)
  const layers = layersOfSteps(steps, diffIDs)
  const sizes = new Map<Digest, number>()
  for (const [i, { size }] of steps.entries()) {
    const diffID = layers[i]
    if (diffID) sizes.set(diffID, size)
  }
  return sizes.size === new Set(diffIDs).size ? sizes : undefined
}

function singleLayer({ diffID, size, tar }: PickedLayer): SourceLayer {
  return {
    label: shortDigest(diffID),
    content: diffID,
    diffID,
    descriptor: undefined,
    compression: 'none',
    storedSize: size,
    reopens: false,
    open: async () => Readable.from(tar, { objectMode: false }),
    chunks: () => tar,
  }
}

function passingLayer({ path, compression, size, body }: PassingLayer, image: Digest): SourceLayer {
  const hex = BLOB_PATH.exec(path)?.[1]
  const digest: Digest | undefined = hex === undefined ? undefined : `sha256:${hex}`
  const mediaType = compression === 'zstd' ? OCI_LAYER_ZSTD : OCI_LAYER_GZIP
  return {
    label: shortDigest(digest ?? path),
    content: digest ?? `${image}/${path}`,
    diffID: compression === 'none' ? digest : undefined,
    descriptor: digest && compression !== 'none' ? { mediaType, digest, size } : undefined,
    compression,
    storedSize: size,
    reopens: false,
    open: async () => body,
    chunks: () => body,
  }
}
