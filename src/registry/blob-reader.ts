import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { ImgctlError } from '../errors/error.ts'
import { backOff } from '../internal/retry.ts'
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'
import type { BlobReader } from '../ports/registry.ts'
import type { Connection } from './connection.ts'
import { answerError, isHtml, protocolError } from './errors.ts'
import type { HttpAnswer } from './http.ts'
import { transportError } from './transport-error.ts'

type Blob = Pick<Descriptor, 'digest' | 'size'>

/** https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-blobs */
export class Blobs implements BlobReader {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async blobSize(digest: Digest, signal?: AbortSignal): Promise<number | undefined> {
    const url = this.#connection.url(`blobs/${digest}`)
    const wanted = { method: 'HEAD', url, access: { action: 'pull' }, signal } as const
    return this.#connection.retried(wanted, async (answer) => {
      if (answer.status === 404 && !isHtml(answer)) return undefined
      if (answer.status !== 200) throw await answerError(answer)
      const size = Number(answer.header('content-length') ?? Number.NaN)
      if (!Number.isSafeInteger(size)) throw protocolError(answer, 'does not say how long the blob is')
      return size
    })
  }

  async readBlob(blob: Blob, signal?: AbortSignal): Promise<Readable> {
    const closed = new AbortController()
    const either = signal ? AbortSignal.any([signal, closed.signal]) : closed.signal
    // The first answer comes before the stream, so that what is not there is an error of this call.
    const first = await this.#connection.retried(this.#range(blob, 0, either), (answer) => checked(answer, 0))
    const bytes = this.#verified(blob, first, either)
    // Not Readable.from: its destroy waits for the bytes that are due, and they may never come.
    return new Readable({
      read() {
        bytes.next().then(
          ({ value, done }) => this.push(done ? null : value),
          (error: Error) => this.destroy(error),
        )
      },
      destroy(error, done) {
        closed.abort()
        done(error)
      },
    })
  }

  async *#verified(blob: Blob, first: HttpAnswer, signal: AbortSignal): AsyncGenerator<Buffer> {
    const hash = createHash(digestAlgorithm(blob.digest))
    let answer = first
    let offset = 0
    for await (const chunk of this.#bytes(blob, first, signal)) {
      answer = chunk.answer
      offset += chunk.bytes.byteLength
      hash.update(chunk.bytes)
      if (offset > blob.size) break
      yield chunk.bytes
    }
    if (offset !== blob.size) throw wrong(answer, `sent ${offset > blob.size ? 'more' : 'less'} than`, blob)
    if (hash.digest('hex') !== digestHex(blob.digest)) throw wrong(answer, 'sent other bytes than', blob)
  }

  /** The bytes as the registry sends them; a cut connection is gone on with from where it was cut. */
  async *#bytes(
    blob: Blob,
    first: HttpAnswer,
    signal: AbortSignal,
  ): AsyncGenerator<{ answer: HttpAnswer; bytes: Buffer }> {
    const policy = this.#connection.retryPolicy(signal)
    let [answer, offset, failures] = [first, 0, 0]
    for (;;) {
      try {
        for await (const bytes of unseen(answer, offset)) {
          offset += bytes.byteLength
          failures = 0
          yield { answer, bytes }
        }
        return
      } catch (error) {
        if (offset === blob.size) return
        await backOff(policy, cutShort(answer, error), ++failures)
      }
      answer = await this.#connection.retried(this.#range(blob, offset, signal), (next) =>
        checked(next, offset),
      )
    }
  }

  #range({ digest }: Blob, offset: number, signal: AbortSignal) {
    const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {}
    const url = this.#connection.url(`blobs/${digest}`)
    return { method: 'GET', url, access: { action: 'pull' }, headers, signal } as const
  }
}

async function checked(answer: HttpAnswer, offset: number): Promise<HttpAnswer> {
  if (answer.status !== 200 && answer.status !== 206) throw await answerError(answer, 'BLOB_MISSING')
  const start = /^bytes (\d+)-/.exec(answer.header('content-range') ?? '')?.[1]
  if (answer.status === 206 && Number(start) !== offset) {
    answer.body.destroy()
    throw protocolError(answer, `sent another part of the blob than the one from byte ${offset}`)
  }
  return answer
}

/** The bytes of an answer that come after `offset`: some registries ignore `Range` and start again. */
async function* unseen(answer: HttpAnswer, offset: number): AsyncGenerator<Buffer> {
  let skip = answer.status === 206 ? 0 : offset
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    const rest = chunk.subarray(Math.min(skip, chunk.byteLength))
    skip -= chunk.byteLength - rest.byteLength
    if (rest.byteLength > 0) yield rest
  }
}

function cutShort(answer: HttpAnswer, error: unknown): ImgctlError {
  answer.request.signal?.throwIfAborted()
  return transportError(answer.request, error)
}

function wrong(answer: HttpAnswer, problem: string, { digest, size }: Blob): ImgctlError {
  return protocolError(answer, `${problem} the ${size} bytes of ${digest}`, 'DIGEST_MISMATCH')
}
