import { Readable } from 'node:stream'
import { ProgramWatch } from '../../archive/program-watch.ts'
import { isCode } from '../../errors/error.ts'
import { Semaphore } from '../../internal/semaphore.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import type { WriteOptions } from '../../ports/registry.ts'
import { encodeLayer } from './layer-encoder.ts'
import type { PlannedLayer } from './push-facts.ts'
import { SentShare } from './sent-share.ts'
import type { ImageSource, SourceLayer } from './source.ts'
import type { TransferJob } from './transfer.ts'

/** Layers compressed at once, however great the concurrency: it bounds memory. */
const ENCODED_AT_ONCE = 3
/** A registry that loses the same upload again and again is not worth more. */
const TRIES_OF_A_LOST_UPLOAD = 2

/**
 * Brings layers to the registry, each once: what was sent stays sent when the source has to be read again. Memory is
 * bounded by blocks and chunks in flight, never by a layer.
 */
export class LayerTransfer {
  readonly #job: TransferJob
  readonly #planned: ReadonlyMap<Digest, PlannedLayer>
  readonly #watch: ProgramWatch | undefined
  /** Each holds blocks and chunks in memory; more at once are no quicker, since one keeps every core busy. */
  readonly #encoding: Semaphore
  /** By the layer's `content`. */
  readonly #done = new Map<string, Descriptor>()
  /** Whether a layer was left out because the registry said that it has it. */
  reused = false

  constructor(job: TransferJob) {
    this.#job = job
    this.#planned = new Map(job.plan.layers.map((layer) => [layer.diffID, layer]))
    this.#watch = watchProgram(job.source)
    this.#encoding = new Semaphore(Math.min(ENCODED_AT_ONCE, job.concurrency))
  }

  /** The architectures of the program that a container would start, as far as it passed. */
  get programs(): readonly string[] {
    return this.#watch?.architectures ?? []
  }

  /** @returns the blob that the layer is in the registry */
  async send(layer: SourceLayer, signal: AbortSignal | undefined): Promise<Descriptor> {
    const sent = this.#done.get(layer.content)
    if (sent) return sent
    const known = layer.diffID && this.#planned.get(layer.diffID)
    const blob = await this.#send(layer, known, signal)
    this.#done.set(layer.content, blob)
    return blob
  }

  async #send(
    layer: SourceLayer,
    known: PlannedLayer | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Descriptor> {
    const { label, storedSize: total } = layer
    const { onEvent } = this.#job
    const descriptor = layer.descriptor ?? known?.descriptor
    if (descriptor && (await this.#isThere(descriptor, known, signal))) {
      this.reused = true
      onEvent({ type: 'layer', label, status: 'exists', done: total, total })
      return descriptor
    }
    for (let attempt = 1; ; attempt++) {
      try {
        onEvent({ type: 'layer', label, status: 'pushing', done: 0, total })
        const blob = await this.#upload(layer, signal)
        onEvent({ type: 'layer', label, status: 'pushed', done: total, total })
        return blob
      } catch (error) {
        if (!isCode(error, 'UPLOAD_LOST') || !layer.reopens || attempt >= TRIES_OF_A_LOST_UPLOAD) throw error
        onEvent({ type: 'note', message: `${label}: ${error.message}, sending it again` })
      }
    }
  }

  async #isThere(
    { digest }: Descriptor,
    known: PlannedLayer | undefined,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    if (this.#job.distrusts) return false
    if (known) return known.exists
    return (await this.#job.repository.blobSize(digest, signal)) !== undefined
  }

  #upload(layer: SourceLayer, signal: AbortSignal | undefined): Promise<Descriptor> {
    const { repository, journal, onEvent } = this.#job
    const { host, repository: path } = repository.location
    const { label, storedSize: total } = layer
    let done = 0
    const onRead = (bytes: number) => {
      done = Math.max(0, Math.min(total, done + bytes))
      onEvent({ type: 'layer', label, status: 'pushing', done, total })
    }
    const content = layer.compression === 'none' ? `${layer.content} ${this.#job.compression}` : layer.content
    const record = journal.record({ registry: host, repository: path, content })
    const options = { record, ...(signal ? { signal } : {}) }
    return layer.reopens && layer.descriptor
      ? this.#sendAsIs(layer, layer.descriptor, { ...options, onBytes: onRead })
      : this.#encoding.run(() => this.#sendEncoded(layer, onRead, options), signal)
  }

  async #sendAsIs(layer: SourceLayer, descriptor: Descriptor, options: WriteOptions): Promise<Descriptor> {
    await this.#job.repository.writeBlob(descriptor, (offset) => layer.open(offset, options.signal), options)
    return descriptor
  }

  async #sendEncoded(
    layer: SourceLayer,
    onRead: (bytes: number) => void,
    options: WriteOptions,
  ): Promise<Descriptor> {
    const look = layer.compression === 'none' ? this.#watch?.layer() : undefined
    // A compressor copies what it is given; what goes as it is stays in memory until it was sent.
    const isCompressed = layer.compression !== 'none'
    const stored = isCompressed ? await layer.open(0, options.signal) : layer.chunks(options.signal)
    const sent = new SentShare(onRead)
    const onChunk = (chunk: Uint8Array) => {
      look?.(chunk)
      sent.read(chunk.length)
    }
    const encoded = encodeLayer(stored, layer.compression, onChunk, this.#job.compression)
    const stream = Readable.from(sent.made(encoded.stream), { objectMode: false })
    const onBytes = (bytes: number) => sent.went(bytes)
    await this.#job.repository.writeStream(stream, () => encoded.finish(), { ...options, onBytes })
    // The media type that the image's own manifest uses for this very blob is kept.
    const made = encoded.finish()
    return layer.descriptor?.digest === made.digest ? layer.descriptor : made
  }
}

/** The program that a container would start, when the config says by its path which one that is. */
function watchProgram({ command: [program] }: ImageSource): ProgramWatch | undefined {
  return program?.startsWith('/') ? new ProgramWatch(program) : undefined
}
