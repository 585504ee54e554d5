import { createHash } from 'node:crypto'
import { ImgctlError } from '../errors/error.ts'

/**
 * A content digest `algorithm:hex`. Only the algorithms that OCI registers are accepted.
 * https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
 */
export type Digest = `${DigestAlgorithm}:${string}`
export type DigestAlgorithm = 'sha256' | 'sha512'

const HEX_LENGTH: Record<DigestAlgorithm, number> = { sha256: 64, sha512: 128 }
const DIGEST = /^(sha256|sha512):([0-9a-f]+)$/

export function isDigest(text: string): text is Digest {
  const match = DIGEST.exec(text)
  return match !== null && match[2]!.length === HEX_LENGTH[match[1] as DigestAlgorithm]
}

/** @throws ImgctlError MANIFEST_INVALID when `text` is not a digest; `what` names it in the message. */
export function parseDigest(text: unknown, what = 'digest'): Digest {
  if (typeof text === 'string' && isDigest(text)) return text
  throw new ImgctlError('MANIFEST_INVALID', `${what} is not a sha256 or sha512 digest`)
}

export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(':')) as DigestAlgorithm
}

export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

/** The first 12 hex digits, as docker prints ids. */
export function shortDigest(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, 12)
}

/** The sha256 digest of `bytes`. */
export function digestBytes(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
