import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { ImgctlError } from '../../errors/error.ts'
import { type Digest, shortDigest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import { OCI_LAYER_GZIP, OCI_LAYER_ZSTD } from '../../oci/media-types.ts'
import { parallelGzip } from './parallel-gzip.ts'

export type LayerCompression = 'none' | 'gzip' | 'zstd'

export interface EncodedLayer {
  /** The bytes to upload. */
  readonly stream: Readable
  /** The blob that was streamed and, for a tar that was compressed here, its diffID. Call it after the end. */
  finish(): { readonly descriptor: Descriptor; readonly diffID: Digest | undefined }
}

/**
 * Makes the blob that a registry keeps out of a layer as its source holds it: a plain tar is compressed, what is
 * compressed goes as it is. Both digests are taken from the bytes as they pass.
 *
 * @param expected the diffID that the image's config names, when it is known before the end
 * @param onRead called with the bytes read from the source
 */
export function encodeLayer(
  stored: Readable,
  compression: LayerCompression,
  expected: Digest | undefined,
  onRead: (bytes: number) => void,
): EncodedLayer {
  const inside = createHash('sha256')
  const outside = createHash('sha256')
  let size = 0
  let diffID: Digest | undefined

  async function* read(): AsyncGenerator<Buffer> {
    for await (const chunk of stored as AsyncIterable<Buffer>) {
      if (compression === 'none') inside.update(chunk)
      onRead(chunk.length)
      yield chunk
    }
    if (compression !== 'none') return
    diffID = `sha256:${inside.digest('hex')}`
    if (expected && expected !== diffID) throw wrongLayer(expected, diffID)
  }

  async function* encode(): AsyncGenerator<Buffer> {
    for await (const chunk of compression === 'none' ? parallelGzip(read()) : read()) {
      outside.update(chunk)
      size += chunk.length
      yield chunk
    }
  }

  return {
    stream: Readable.from(encode(), { objectMode: false }),
    finish: () => ({
      descriptor: {
        mediaType: compression === 'zstd' ? OCI_LAYER_ZSTD : OCI_LAYER_GZIP,
        digest: `sha256:${outside.digest('hex')}`,
        size,
      },
      diffID,
    }),
  }
}

function wrongLayer(expected: Digest, actual: Digest): ImgctlError {
  const message = `layer ${shortDigest(expected)} is damaged: its content hashes to ${shortDigest(actual)}`
  return new ImgctlError('DIGEST_MISMATCH', message, { hint: 'save or build the image again' })
}
