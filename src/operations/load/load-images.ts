import type { Readable } from 'node:stream'
import type { ArchiveImage, OpenedArchive } from '../../archive/archive-image.ts'
import { openArchive, openArchiveStream } from '../../archive/open-archive.ts'
import { countedBytes } from '../../internal/counted-bytes.ts'
import { shortDigest } from '../../oci/digest.ts'
import { formatPlatform, LINUX_AMD64, matchesPlatform, type Platform } from '../../oci/platform.ts'
import type { EngineImages } from '../../ports/engine.ts'
import type { EngineLoad, LoadedName } from '../../ports/engine-transfer.ts'
import { chooseImages } from './choose-images.ts'
import { engineTar } from './engine-tar.ts'
import type { LoadEvent } from './events.ts'

export type LoadingEngine = EngineImages & EngineLoad

export interface LoadRequest {
  /** An archive's file or a layout's folder; or a stream that brings an archive. */
  readonly source: string | Readable
  /** Only images for this one. */
  readonly platform?: Platform
}

/** An image that the engine has now. */
export interface LoadedImage {
  /** As docker prints it; undefined for one without a name. */
  readonly name: string | undefined
  /** The engine's: of the config, of the manifest on a containerd store. */
  readonly id: string
  readonly platform: Platform
  /** Bytes, as the engine counts them. */
  readonly size: number
}

/**
 * Loads the images of an archive into an engine. Nothing is sent before the archive's structure and each of its
 * digests were checked. What is not a plain tar is kept uncompressed in a nameless temporary file meanwhile.
 *
 * @throws ImgctlError those of openArchive and verifyArchive; ARCH_MISMATCH; those of EngineLoad
 */
export async function loadImages(
  engine: () => Promise<LoadingEngine>,
  { source, platform }: LoadRequest,
  onEvent: (event: LoadEvent) => void,
  signal?: AbortSignal,
): Promise<LoadedImage[]> {
  onEvent({ type: 'phase', phase: 'read' })
  const archive = await open(source, onEvent, signal)
  try {
    onEvent({ type: 'phase', phase: 'verify' })
    await archive.verify({ onProgress: bytesTo(onEvent), ...(signal ? { signal } : {}) })
    return await send(await engine(), archive, platform, onEvent, signal)
  } finally {
    await archive.close()
  }
}

async function open(
  source: string | Readable,
  onEvent: (event: LoadEvent) => void,
  signal: AbortSignal | undefined,
): Promise<OpenedArchive> {
  const options = { onProgress: bytesTo(onEvent), ...(signal ? { signal } : {}) }
  if (typeof source === 'string') return openArchive(source, options)
  // A stream that stalls does not look at the signal by itself.
  const stop = () => source.destroy(signal?.reason)
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return await openArchiveStream(source, options)
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

async function send(
  engine: LoadingEngine,
  archive: OpenedArchive,
  platform: Platform | undefined,
  onEvent: (event: LoadEvent) => void,
  signal: AbortSignal | undefined,
): Promise<LoadedImage[]> {
  const info = await engine.info(signal)
  const chosen = chooseImages(archive.images, platform, info)
  for (const image of chosen) warnOfPlatform(image, onEvent)
  const { bytes, size } = engineTar(archive, chosen, info, signal)
  onEvent({ type: 'phase', phase: 'load', total: size })
  const counted = countedBytes(bytes, (done) =>
    onEvent({ type: 'bytes', done: Math.min(done, size), total: size }),
  )
  const loaded = await engine.loadImages(counted, signal)
  const images: LoadedImage[] = []
  // What the engine has now, not what we sent.
  for (const each of loaded) images.push(await describe(engine, each, signal))
  return images
}

async function describe(
  engine: EngineImages,
  loaded: LoadedName,
  signal: AbortSignal | undefined,
): Promise<LoadedImage> {
  const name = 'name' in loaded ? loaded.name : undefined
  const { id, platform, size } = await engine.inspectImage('name' in loaded ? loaded.name : loaded.id, signal)
  return { name, id: 'id' in loaded ? loaded.id : id, platform, size }
}

/** People load images to push them: the server runs linux/amd64 only. */
function warnOfPlatform(image: ArchiveImage, onEvent: (event: LoadEvent) => void): void {
  if (matchesPlatform(image.platform, LINUX_AMD64)) return
  const name = image.repoTags[0] ?? shortDigest(image.configDigest)
  const [has, needs] = [image.platform, LINUX_AMD64].map(formatPlatform)
  onEvent({ type: 'warning', message: `${name} is ${has}: it cannot run on the server, which runs ${needs}` })
}

function bytesTo(onEvent: (event: LoadEvent) => void) {
  return (done: number, total: number | undefined) => onEvent({ type: 'bytes', done, total })
}
