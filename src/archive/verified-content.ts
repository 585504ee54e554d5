import { createHash } from 'node:crypto'
import { createGunzip, type Gunzip } from 'node:zlib'
import { ImgctlError } from '../errors/error.ts'
import { type Digest, digestAlgorithm } from '../oci/digest.ts'
import { archiveInvalid, quoteName } from './archive-error.ts'

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

/** As `verified`, for gzip'd chunks whose digest is known only uncompressed. */
export async function* verifiedGunzipped(
  chunks: AsyncIterable<Uint8Array>,
  expected: Digest,
  path: string,
): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip()
  const hashing = hashOf(gunzip, digestAlgorithm(expected)).catch((cause) => {
    throw archiveInvalid(`the gzip data of ${quoteName(path)} is damaged or cut short`, cause)
  })
  hashing.catch(() => {})
  try {
    for await (const chunk of chunks) {
      if (!gunzip.write(chunk)) await Promise.race([drained(gunzip), hashing])
      yield chunk
    }
    gunzip.end()
    assertDigest(`${digestAlgorithm(expected)}:${await hashing}`, expected, path)
  } finally {
    gunzip.destroy()
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

async function hashOf(gunzip: Gunzip, algorithm: string): Promise<string> {
  const hash = createHash(algorithm)
  for await (const chunk of gunzip) hash.update(chunk as Uint8Array)
  return hash.digest('hex')
}

function drained(gunzip: Gunzip): Promise<void> {
  return new Promise((resolve) => gunzip.once('drain', resolve))
}
