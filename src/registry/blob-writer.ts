import { addAbortSignal, type Readable } from 'node:stream'
import { ImgctlError } from '../errors/error.ts'
import type { Digest } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'
import type { BlobWriter } from '../ports/registry.ts'
import { BlobUpload, type UploadOptions, type UploadSource } from './blob-upload.ts'
import type { Connection } from './connection.ts'
import { answerError } from './errors.ts'
import { PrefixCheck } from './prefix-check.ts'
import { bufferedSource, chunksOf } from './stream-chunks.ts'
import { UploadSession } from './upload-session.ts'

/** What is kept of a stream that cannot be read again; twice this is in memory (one is sent, one fills). */
export const STREAM_CHUNK_BYTES = 8 * 1024 * 1024
/** What a user may choose: several layers are under way at once. */
const MAX_CHOSEN_STREAM_CHUNK_BYTES = 16 * 1024 * 1024
/** A registry that asks for more would make memory the limit. */
const MAX_STREAM_CHUNK_BYTES = 64 * 1024 * 1024

type Blob = Pick<Descriptor, 'digest' | 'size'>

/**
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs: a session is opened,
 * filled by PATCH and closed by PUT.
 */
export class BlobUploads implements BlobWriter {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async writeBlob(
    blob: Blob,
    open: (offset: number) => Readable | Promise<Readable>,
    options: UploadOptions = {},
  ): Promise<void> {
    const source: UploadSource = {
      from: 0,
      end: blob.size,
      isWhole: true,
      open,
    }
    await BlobUpload.run(this.#connection, options, async (upload) => {
      if (blob.size > STREAM_CHUNK_BYTES) await upload.note([])
      do await upload.send(source)
      while (!(await upload.commit(blob, source)))
    })
  }

  async writeStream(stream: Readable, finish: () => Blob, options: UploadOptions = {}): Promise<void> {
    // An abort that comes while nobody reads is seen at the next read.
    stream.on('error', () => {})
    if (options.signal) addAbortSignal(options.signal, stream)
    try {
      await BlobUpload.run(this.#connection, options, (upload, earlier) =>
        sendStream(upload, stream, finish, new PrefixCheck(earlier), this.#streamChunk),
      )
    } catch (error) {
      options.signal?.throwIfAborted()
      throw error
    } finally {
      stream.destroy()
    }
  }

  get #streamChunk(): number {
    return Math.min(this.#connection.tuning.chunkBytes ?? STREAM_CHUNK_BYTES, MAX_CHOSEN_STREAM_CHUNK_BYTES)
  }

  async mountBlob(digest: Digest, from: string, signal?: AbortSignal): Promise<boolean> {
    const url = this.#connection.url('blobs/uploads/')
    url.search = new URLSearchParams({ mount: digest, from }).toString()
    const access = { action: 'push', mountFrom: from } as const
    const post = { method: 'POST', url, access, signal } as const
    try {
      return await this.#connection.retried(post, async (answer) => {
        if (answer.status !== 201 && answer.status !== 202) throw await answerError(answer)
        await answer.discard()
        if (answer.status === 202) await UploadSession.adopt(this.#connection, answer, signal).cancel()
        return answer.status === 201
      })
    } catch (error) {
      // It may be the other repository that is closed or gone: this one's upload will say what is true of it.
      if (isRefusal(error)) return false
      throw error
    }
  }
}

function isRefusal(error: unknown): boolean {
  if (!(error instanceof ImgctlError) || error.retryable) return false
  return error.status !== undefined && error.status < 500
}

async function sendStream(
  upload: BlobUpload,
  stream: Readable,
  finish: () => Blob,
  prefix: PrefixCheck,
  chunkBytes: number,
): Promise<void> {
  if (upload.minChunk > MAX_STREAM_CHUNK_BYTES) {
    throw new ImgctlError('UNSUPPORTED', `the registry wants chunks of ${upload.minChunk} bytes or more`)
  }
  let source = bufferedSource(0, [])
  for await (const buffers of chunksOf(stream, Math.max(chunkBytes, upload.minChunk))) {
    source = bufferedSource(source.end, buffers)
    const before = prefix.checkpoint
    if (!prefix.pass(buffers)) await upload.startOver(source)
    // What fits in one chunk is sent again as quickly as it is looked for.
    if (source.end - source.from >= chunkBytes && upload.isBehind(source)) {
      await upload.note([before, prefix.checkpoint])
    }
    await upload.send(source)
  }
  const blob = finish()
  if (blob.size !== source.end) {
    throw new ImgctlError(
      'DIGEST_MISMATCH',
      `${source.end} bytes were sent for ${blob.digest}, which has ${blob.size}`,
    )
  }
  while (!(await upload.commit(blob, source))) await upload.send(source)
}
