import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { ImgctlError } from '../../errors/error.ts'
import { parallelGzip, parallelZstd } from '../../internal/parallel-compress.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import { OCI_LAYER_GZIP, OCI_LAYER_ZSTD } from '../../oci/media-types.ts'

export type LayerCompression = 'none' | 'gzip' | 'zstd'

/** What plain layers become on their way. */
export type BlobCompression = 'gzip' | 'zstd'

export interface EncodedLayer {
  /** The bytes to upload. */
  readonly stream: Readable
  /** The blob that was streamed; to be called after the end. */
  finish(): Descriptor
}

/**
 * To be called before anything is built or sent.
 *
 * @param accepted what the server takes; undefined: a registry, which does not tell
 * @throws ImgctlError UNSUPPORTED
 */
export function assertCompression(chosen: BlobCompression, accepted?: readonly string[]): void {
  if (accepted && !accepted.includes(chosen)) {
    throw new ImgctlError('UNSUPPORTED', `the server takes no layers that are compressed with ${chosen}`, {
      hint: `it takes ${accepted.join(', ')}`,
    })
  }
  if (chosen === 'gzip' || parallelZstd) return
  throw new ImgctlError('UNSUPPORTED', 'zstd needs Node.js 22.15 or newer', {
    hint: 'leave --compression out, or: npx -p node@24 -p imgctl imgctl image push ...',
  })
}

/**
 * Makes the blob that a registry keeps out of a layer as its source holds it: a plain tar is compressed, what is
 * compressed goes as it is. The digest is taken from the bytes as they pass. That the layer is the one its config
 * names is the source's to verify.
 *
 * @param compression how the source stores it
 * @param wanted what a plain tar becomes, see assertCompression
 * @param onRead called with each chunk read from the source
 */
export function encodeLayer(
  stored: AsyncIterable<Uint8Array>,
  compression: LayerCompression,
  onRead: (chunk: Uint8Array) => void,
  wanted: BlobCompression = 'gzip',
): EncodedLayer {
  const compress = wanted === 'zstd' && parallelZstd ? parallelZstd : parallelGzip
  const stays = compression !== 'none'
  const becomes = stays ? compression : wanted
  const hash = createHash('sha256')
  let size = 0

  async function* read(): AsyncGenerator<Uint8Array> {
    for await (const chunk of stored) {
      onRead(chunk)
      yield chunk
    }
  }

  async function* encode(): AsyncGenerator<Uint8Array> {
    for await (const chunk of stays ? read() : compress(read())) {
      hash.update(chunk)
      size += chunk.length
      // An upload keeps what it sends until the registry has it; a compressor uses its memory again.
      yield stays ? chunk : Buffer.from(chunk)
    }
  }

  let digest: string | undefined
  return {
    stream: Readable.from(encode(), { objectMode: false }),
    finish() {
      digest ??= hash.digest('hex')
      const mediaType = becomes === 'zstd' ? OCI_LAYER_ZSTD : OCI_LAYER_GZIP
      return { mediaType, digest: `sha256:${digest}`, size }
    },
  }
}
