import type { ArchiveImage, ArchiveLayer } from '../../archive/archive-image.ts'
import { openArchive } from '../../archive/open-archive.ts'
import { imagesFor, selectImage } from '../../archive/select-image.ts'
import { LINUX_AMD64, type Platform } from '../../oci/platform.ts'
import type { EngineImages } from '../../ports/engine.ts'
import type { EngineHistory } from '../../ports/engine-transfer.ts'
import { inspectFor, ownVariant } from '../engine-platform.ts'
import { parseImageArgument } from '../image-argument.ts'
import { openRemoteImage, type RemotePorts } from '../remote-image.ts'
import { type HistoryStep, stepsOfConfig, stepsOfEngine } from './steps.ts'

export interface HistoryPorts {
  /** Called only for an image of an engine. */
  readonly engine: () => Promise<EngineImages & EngineHistory>
  /** Called only for an image of the server. */
  readonly remote: () => Promise<RemotePorts>
}

export interface HistoryRequest {
  /** An image of the engine, an archive's path, `oci:DIR`; with `remote` a name on the server. */
  readonly source: string
  readonly remote: boolean
  /** Which image of an archive that holds several. */
  readonly image?: string
  readonly platform?: Platform
}

/**
 * How an image was made, newest step first: the same steps wherever the image is.
 *
 * @throws ImgctlError IMAGE_NOT_FOUND; those of openArchive, selectImage, openRemoteImage and the engine
 */
export async function imageHistory(
  ports: HistoryPorts,
  request: HistoryRequest,
  signal?: AbortSignal,
): Promise<HistoryStep[]> {
  if (request.remote) return remoteHistory(await ports.remote(), request, signal)
  const argument = parseImageArgument(request.source)
  if (argument.kind === 'archive') return archiveHistory(argument.path, request, signal)
  const engine = await ports.engine()
  const { reference } = argument
  const image = request.platform
    ? await inspectFor(engine, reference, request.platform, signal)
    : await engine.inspectImage(reference, signal)
  const entries = await engine.imageHistory(reference, signal, ownVariant(image)?.platform)
  const { diffIDs } = image
  return stepsOfEngine(entries, diffIDs)
}

/** From the config alone: of a layer its compressed size is known, no layer is read. */
async function remoteHistory(
  ports: RemotePorts,
  { source, platform }: HistoryRequest,
  signal: AbortSignal | undefined,
): Promise<HistoryStep[]> {
  const { manifest, config } = await openRemoteImage(ports, source, platform, signal)
  const { layers, config: descriptor } = manifest.parsed
  const known = config.diffIDs.map((diffID, i) => {
    const blob = layers[i]
    return blob ? { diffID, descriptor: blob } : { diffID }
  })
  return stepsOfConfig(config, descriptor.digest, known)
}

async function archiveHistory(
  path: string,
  { image: wanted, platform }: HistoryRequest,
  signal: AbortSignal | undefined,
): Promise<HistoryStep[]> {
  const archive = await openArchive(path, signal ? { signal } : {})
  try {
    const images = platform ? imagesFor(archive.images, platform) : archive.images
    const image = selectImage(images, wanted, platform ?? LINUX_AMD64)
    return stepsOfConfig(image.config, image.configDigest, await layersOf(image, signal))
  } finally {
    await archive.close()
  }
}

async function layersOf({ layers }: ArchiveImage, signal: AbortSignal | undefined) {
  const sizes = new Map<string, number>()
  const known = []
  for (const layer of layers) {
    const size = sizes.get(layer.path) ?? (await layer.contentSize(signal))
    sizes.set(layer.path, size)
    known.push({ diffID: layer.diffID, size, ...compressedBlob(layer) })
  }
  return known
}

function compressedBlob({ compression, descriptor }: ArchiveLayer) {
  return compression === 'none' || descriptor === undefined ? {} : { descriptor }
}
