import type { ByteRange } from '../content/blob-store.ts'
import { RegistryError } from './registry-error.ts'

/**
 * The part of a blob that a `Range` header asks for; undefined: all of it. Several ranges at once and units other
 * than bytes are answered with all, as RFC 9110, section 14.2 allows, and so is a range that ends before it begins,
 * which is invalid (section 14.1.2).
 *
 * @throws RegistryError 416 when no byte of the blob is in the range
 */
export function requestedRange(header: string | undefined, size: number): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const [first, last] = [match[1]!, match[2]!]
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (start <= end) return { start, end }
  throw new RegistryError(416, 'SIZE_INVALID', `the blob has ${size} bytes`, {
    headers: { 'content-range': `bytes */${size}` },
  })
}

/**
 * The part of an upload that a chunk says it is, as the distribution protocol words it (`0-1023`) or as HTTP does
 * (`bytes 0-1023/2048`). Undefined: it goes on at the end.
 *
 * @throws RegistryError BLOB_UPLOAD_INVALID; SIZE_INVALID when `contentLength` says otherwise
 */
export function chunkRange(
  header: string | undefined,
  contentLength: number | undefined,
): ByteRange | undefined {
  if (header === undefined) return undefined
  const match = /^(?:bytes[ =])?(\d+)-(\d+)(?:\/.*)?$/.exec(header.trim())
  if (!match) throw new RegistryError(400, 'BLOB_UPLOAD_INVALID', 'Content-Range is <first byte>-<last byte>')
  const range = { start: Number(match[1]), end: Number(match[2]) }
  const length = range.end - range.start + 1
  if (length >= 0 && (contentLength === undefined || contentLength === length)) return range
  throw new RegistryError(400, 'SIZE_INVALID', 'Content-Range and Content-Length contradict each other')
}

/** `Range` of an upload as the protocol has it: the last byte is included, and `0-0` also stands for nothing yet. */
export function receivedRange(size: number): string {
  return `0-${Math.max(0, size - 1)}`
}
