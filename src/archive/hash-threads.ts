import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { ImgctlError } from '../errors/error.ts'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import { archiveInvalid } from './archive-error.ts'

/** Put in by scripts/build.mjs: where the bundle has the thread's program, seen from a chunk. */
declare const IMGCTL_HASH_THREAD: string | undefined

const PROGRAM = new URL(
  typeof IMGCTL_HASH_THREAD === 'string' ? IMGCTL_HASH_THREAD : './hash-thread.ts',
  import.meta.url,
)

/** Bytes of an open file, from `start` up to `end` (not included). */
export interface FileSpan {
  readonly fd: number
  readonly start: number
  readonly end: number
}

export interface HashRequest extends FileSpan {
  readonly algorithm: DigestAlgorithm
}

export type HashAnswer =
  /** So many more were hashed. */
  | { readonly kind: 'bytes'; readonly count: number }
  | { readonly kind: 'digest'; readonly hex: string }
  /** The file ended before the span did. */
  | { readonly kind: 'short' }
  | { readonly kind: 'failed'; readonly message: string }

/** More would wait for the disk; each costs some megabytes. */
const MAX_THREADS = 4
/** A thread has one small program and one buffer. */
const MEMORY = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 }

/**
 * Threads that hash files beside the main one: a processor's core hashes about 1.9 GB a second, so the layers of an image
 * are hashed side by side. Threads start when they are needed, and read the file themselves. Close it when done.
 */
export class HashThreads {
  /** How many spans are worth asking for at once. */
  readonly atOnce = Math.min(availableParallelism(), MAX_THREADS)
  readonly #idle: Worker[] = []
  readonly #all: Worker[] = []

  /**
   * The digest of a span. The file must stay open until it is there, or `close` is done.
   *
   * @throws ImgctlError FILE_UNREADABLE; ARCHIVE_INVALID when the file became shorter; the signal's reason
   */
  async digest(
    span: FileSpan,
    algorithm: DigestAlgorithm,
    onBytes: (count: number) => void,
    signal?: AbortSignal,
  ): Promise<Digest> {
    signal?.throwIfAborted()
    const thread = this.#idle.pop() ?? this.#start()
    const hex = await hashIn(thread, { ...span, algorithm }, onBytes, signal)
    this.#idle.push(thread)
    return `${algorithm}:${hex}`
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((thread) => thread.terminate()))
  }

  #start(): Worker {
    const thread = new Worker(PROGRAM, { resourceLimits: MEMORY, execArgv: [] })
    this.#all.push(thread)
    return thread
  }
}

function hashIn(
  thread: Worker,
  request: HashRequest,
  onBytes: (count: number) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const settle = (action: () => void) => {
      thread.off('message', take).off('error', unreadable).off('exit', unreadable)
      signal?.removeEventListener('abort', abort)
      action()
    }
    const abort = () => settle(() => reject(signal?.reason))
    const unreadable = (cause: unknown) => {
      settle(() => reject(new ImgctlError('FILE_UNREADABLE', 'the archive cannot be read', { cause })))
    }
    const take = (answer: HashAnswer) => {
      if (answer.kind === 'bytes') onBytes(answer.count)
      else if (answer.kind === 'digest') settle(() => resolve(answer.hex))
      else if (answer.kind === 'failed') unreadable(answer.message)
      else settle(() => reject(archiveInvalid('it became shorter while it was read')))
    }
    signal?.addEventListener('abort', abort, { once: true })
    thread.on('message', take).on('error', unreadable).on('exit', unreadable)
    thread.postMessage(request)
  })
}
