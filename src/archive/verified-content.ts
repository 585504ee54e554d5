import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { ImgctlError } from '../errors/error.ts'
import { type Digest, digestAlgorithm } from '../oci/digest.ts'
import { quoteName } from './archive-error.ts'
import { decompressed } from './decompress.ts'

/** Between a layer and its decompression beside it: a few chunks. */
const COPY_BYTES = 512 * 1024

/**
 * Passes chunks on and throws DIGEST_MISMATCH after the last one when together they do not hash to
 * `expected`.
 *
 * @param path names the bytes in the message
 */
export async function* verified(
  chunks: AsyncIterable<Uint8Array>,
  expected: Digest,
  path: string,
): AsyncGenerator<Uint8Array> {
  const hash = createHash(digestAlgorithm(expected))
  for await (const chunk of chunks) {
    hash.update(chunk)
    yield chunk
  }
  assertDigest(`${digestAlgorithm(expected)}:${hash.digest('hex')}`, expected, path)
}

/** As `verified`, for compressed chunks whose digest is known only uncompressed. */
export async function* verifiedUncompressed(
  chunks: AsyncIterable<Uint8Array>,
  compression: 'gzip' | 'zstd',
  expected: Digest,
  path: string,
): AsyncGenerator<Uint8Array> {
  const copy = new PassThrough({ highWaterMark: COPY_BYTES })
  const hashing = hashOf(decompressed(copy, compression, path), digestAlgorithm(expected))
  hashing.catch(() => copy.destroy())
  try {
    for await (const chunk of chunks) {
      if (!copy.write(chunk)) await Promise.race([once(copy, 'drain'), hashing])
      yield chunk
    }
    copy.end()
    assertDigest(`${digestAlgorithm(expected)}:${await hashing}`, expected, path)
  } finally {
    copy.destroy()
  }
}

/** Passes chunks on without their first `count` bytes. */
export async function* withoutFirst(
  count: number,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let left = count
  for await (const chunk of chunks) {
    if (left < chunk.length) yield left > 0 ? chunk.subarray(left) : chunk
    left = Math.max(0, left - chunk.length)
  }
}

/** Passes chunks on until `signal` is aborted; then throws its reason. */
export async function* untilAborted(
  signal: AbortSignal | undefined,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    signal?.throwIfAborted()
    yield chunk
  }
}

/** @throws ImgctlError DIGEST_MISMATCH */
export function assertDigest(actual: Digest, expected: Digest, path: string): void {
  if (actual === expected) return
  throw new ImgctlError(
    'DIGEST_MISMATCH',
    `${quoteName(path)} is damaged: it hashes to ${actual}, not ${expected}`,
  )
}

async function hashOf(chunks: AsyncIterable<Uint8Array>, algorithm: string): Promise<string> {
  const hash = createHash(algorithm)
  for await (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}
