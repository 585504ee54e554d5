import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { parallelGzip } from '../../internal/parallel-compress.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import { OCI_LAYER_GZIP, OCI_LAYER_ZSTD } from '../../oci/media-types.ts'

export type LayerCompression = 'none' | 'gzip' | 'zstd'

export interface EncodedLayer {
  /** The bytes to upload. */
  readonly stream: Readable
  /** The blob that was streamed; to be called after the end. */
  finish(): Descriptor
}

/**
 * Makes the blob that a registry keeps out of a layer as its source holds it: a plain tar is compressed, what is
 * compressed goes as it is. The digest is taken from the bytes as they pass. That the layer is the one its config
 * names is the source's to verify.
 *
 * @param onRead called with each chunk read from the source
 */
export function encodeLayer(
  stored: AsyncIterable<Uint8Array>,
  compression: LayerCompression,
  onRead: (chunk: Uint8Array) => void,
): EncodedLayer {
  const hash = createHash('sha256')
  let size = 0

  async function* read(): AsyncGenerator<Uint8Array> {
    for await (const chunk of stored) {
      onRead(chunk)
      yield chunk
    }
  }

  async function* encode(): AsyncGenerator<Uint8Array> {
    for await (const chunk of compression === 'none' ? parallelGzip(read()) : read()) {
      hash.update(chunk)
      size += chunk.length
      yield chunk
    }
  }

  let digest: string | undefined
  return {
    stream: Readable.from(encode(), { objectMode: false }),
    finish() {
      digest ??= hash.digest('hex')
      const mediaType = compression === 'zstd' ? OCI_LAYER_ZSTD : OCI_LAYER_GZIP
      return { mediaType, digest: `sha256:${digest}`, size }
    },
  }
}
