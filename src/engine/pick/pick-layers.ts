import { createHash, randomBytes } from 'node:crypto'
import { EventEmitter, on } from 'node:events'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { ImgctlError } from '../../errors/error.ts'
import { type Digest, shortDigest } from '../../oci/digest.ts'
import type { EngineLayers, PickedLayer } from '../../ports/engine-layers.ts'
import type { EngineLayerProgress } from '../../ports/engine-push.ts'
import type { EngineConnection } from '../connection.ts'
import { inspectImage } from '../images.ts'
import { pushImage } from '../push.ts'
import { tagImage, untagImage } from '../tags.ts'
import { readImageConfig } from './image-config.ts'
import { LoopbackRegistry, type Upload } from './loopback-registry.ts'

/** Who may ask the engine knows the repository's name. Others of this machine find the port, but cannot guess it. */
const SECRET_BYTES = 16
/** An engine that begins no upload for so long, and sends none, begins no more: it was told to push fewer at once. */
const STALLED_MS = 5000

type PickRequest = Parameters<EngineLayers['pickLayers']>[1]
type Take = Parameters<EngineLayers['pickLayers']>[2]

/**
 * Has the engine push the image to a registry of our own, in which only the wanted layers are read; the others wait
 * until the push is broken off. As EngineLayers.pickLayers.
 */
export async function pickLayers(
  engine: EngineConnection,
  reference: string,
  { tag, wanted }: PickRequest,
  take: Take,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const { id } = await inspectImage(engine, reference, signal)
  const repository = `imgctl/${randomBytes(SECRET_BYTES).toString('hex')}`
  const registry = await LoopbackRegistry.open(repository)
  const target = `${registry.host}/${repository}:${tag}`
  try {
    await tagImage(engine, reference, target, signal)
    const config = await readImageConfig(engine, target, id, signal).catch(unsupported(signal))
    if (wanted.size > 0) await new LayerPick(engine, registry, wanted, take, signal).run(target)
    return config
  } finally {
    registry.close()
    // A later run removes what stays; what the pick itself failed with is the news.
    await untagImage(engine, target).catch(() => {})
  }
}

/** One push that is read in part. */
class LayerPick {
  readonly #engine: EngineConnection
  readonly #registry: LoopbackRegistry
  readonly #wanted: ReadonlyMap<string, Digest>
  readonly #take: Take
  readonly #signal: AbortSignal | undefined
  /** Ends the push, with the reason for which it can go no further. */
  readonly #end = new AbortController()
  readonly #progress = new EventEmitter()
  readonly #pushing = on(this.#progress, 'pushing', { signal: this.#end.signal })
  readonly #seen = new Set<string>()
  readonly #taken = new Set<Promise<void>>()
  #reading = 0
  #stalled: NodeJS.Timeout | undefined

  constructor(
    engine: EngineConnection,
    registry: LoopbackRegistry,
    wanted: ReadonlySet<Digest>,
    take: Take,
    signal: AbortSignal | undefined,
  ) {
    this.#engine = engine
    this.#registry = registry
    this.#wanted = new Map([...wanted].map((diffID) => [shortDigest(diffID), diffID]))
    if (this.#wanted.size < wanted.size) throw unreadable('two of them have the same short id')
    this.#take = take
    this.#signal = signal
  }

  /** @throws ImgctlError UNSUPPORTED; what `take` throws; the signal's reason */
  async run(target: string): Promise<void> {
    const stop = () => this.#end.abort(this.#signal?.reason)
    this.#signal?.addEventListener('abort', stop, { once: true })
    this.#stalled = setInterval(() => {
      if (this.#reading === 0) this.#end.abort(unreadable('it begins no other layer'))
    }, STALLED_MS)
    const pushed = this.#push(target)
    try {
      await this.#receive()
      await Promise.all(this.#taken)
      this.#end.signal.throwIfAborted()
    } catch (error) {
      throw this.#end.signal.reason ?? error
    } finally {
      clearInterval(this.#stalled)
      this.#signal?.removeEventListener('abort', stop)
      this.#end.abort()
      // What is still being read is cut off, and has tidied up when the pick is over.
      this.#registry.close()
      await Promise.all([pushed, ...this.#taken])
    }
  }

  async #push(target: string): Promise<void> {
    try {
      await pushImage(this.#engine, target, undefined, {
        signal: this.#end.signal,
        onProgress: (progress) => this.#report(progress),
      })
      this.#end.abort(unreadable('it ended its push'))
    } catch (error) {
      this.#end.abort(unreadable(error))
    }
  }

  /** Docker reports a layer as `Pushing` once it reads it, which it does when its upload has begun. */
  #report({ layer, status, total }: EngineLayerProgress): void {
    if (status !== 'Pushing' || this.#seen.has(layer)) return
    this.#seen.add(layer)
    this.#progress.emit('pushing', layer, total ?? 0)
  }

  /** Begins one upload after the other until all that are wanted have begun. */
  async #receive(): Promise<void> {
    for await (const upload of this.#registry.uploads(this.#end.signal)) {
      this.#stalled?.refresh()
      const { value } = await this.#pushing.next()
      const [layer, size] = value as [string, number]
      const diffID = this.#wanted.get(layer)
      if (diffID) this.#taken.add(this.#read(upload, { diffID, size }))
      if (this.#taken.size === this.#wanted.size) return
    }
  }

  async #read(upload: Upload, layer: Omit<PickedLayer, 'tar'>): Promise<void> {
    this.#reading += 1
    try {
      await this.#take({ ...layer, tar: verified(upload.body, layer.diffID) }, this.#end.signal)
      upload.accept()
    } catch (error) {
      this.#end.abort(error)
    } finally {
      this.#reading -= 1
      this.#stalled?.refresh()
    }
  }
}

/** The tar in an upload. @throws ImgctlError UNSUPPORTED when it is not the layer's, or not whole */
async function* verified(compressed: Readable, diffID: Digest): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  const tar = createGunzip()
  compressed.on('error', (error) => tar.destroy(error)).pipe(tar)
  try {
    for await (const chunk of tar as AsyncIterable<Buffer>) {
      hash.update(chunk)
      yield chunk
    }
  } catch (error) {
    throw unreadable(error)
  } finally {
    tar.destroy()
  }
  if (`sha256:${hash.digest('hex')}` !== diffID) throw unreadable(`it sent something else as ${diffID}`)
}

function unsupported(signal: AbortSignal | undefined): (error: unknown) => never {
  return (error) => {
    signal?.throwIfAborted()
    throw unreadable(error)
  }
}

function unreadable(cause: unknown): ImgctlError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ImgctlError('UNSUPPORTED', `the engine does not hand out single layers: ${reason}`, { cause })
}
