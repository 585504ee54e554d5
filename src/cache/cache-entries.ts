import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Digest, isDigest } from '../oci/digest.ts'
import { type Descriptor, parseDescriptor } from '../oci/manifest.ts'

/** One blob that a layer became. */
export interface CachedBlob {
  readonly descriptor: Descriptor
  /** `HOST/PATH` of repositories that had it, latest first. */
  readonly seenIn: readonly string[]
  /** Milliseconds since 1970 of the last push that used it. */
  readonly usedAt: number
}

/** diffID -> the blobs it became (and config -> the manifests it was in), latest first. The last entry is the one that was used last. */
export type CacheEntries = ReadonlyMap<Digest, readonly CachedBlob[]>

/** About 300 bytes each: the file stays below 4 MB. The oldest go first. */
const MAX_LAYERS = 10_000
/** Each transport makes its own blob of a layer, and each compression. */
const MAX_BLOBS = 3
/** Mounting is tried from the first few only. */
const MAX_REPOSITORIES = 8
const VERSION = 1

/**
 * The entries of a cache file. An entry whose signature is not ours is left out: it says which blob a layer became,
 * and nothing but this file vouches for that. A wrong one would make a wrong image.
 *
 * @throws when the text is no cache file
 */
export function parseEntries(text: string, key: Buffer): Map<Digest, CachedBlob[]> {
  const { version, layers } = JSON.parse(text) as { version?: unknown; layers?: Record<string, unknown> }
  if (version !== VERSION || typeof layers !== 'object') throw new Error('it is not a blob cache')
  const entries = new Map<Digest, CachedBlob[]>()
  for (const [diffID, blobs] of Object.entries(layers)) {
    if (!isDigest(diffID) || !Array.isArray(blobs)) continue
    const genuine = blobs.flatMap((blob) => parseBlob(diffID, blob, key) ?? [])
    if (genuine.length > 0) entries.set(diffID, genuine)
  }
  return entries
}

export function formatEntries(entries: CacheEntries, key: Buffer): string {
  const layers = [...entries].map(([diffID, blobs]) => [
    diffID,
    blobs.map(({ descriptor: { mediaType, digest, size }, seenIn, usedAt }) => {
      const fields = { mediaType, digest, size, seenIn, usedAt }
      return { ...fields, signature: sign(diffID, fields, key) }
    }),
  ])
  return JSON.stringify({ version: VERSION, layers: Object.fromEntries(layers) })
}

/** The entries with one more blob for a layer, bounded. */
export function addBlob(
  entries: Map<Digest, readonly CachedBlob[]>,
  diffID: Digest,
  { mediaType, digest, size }: Descriptor,
  place: string,
  now: number,
): void {
  const before = entries.get(diffID) ?? []
  const known = before.find(({ descriptor }) => descriptor.digest === digest)
  const seenIn = [place, ...(known?.seenIn ?? []).filter((other) => other !== place)]
  const blob = {
    descriptor: { mediaType, digest, size },
    seenIn: seenIn.slice(0, MAX_REPOSITORIES),
    usedAt: now,
  }
  entries.delete(diffID)
  entries.set(diffID, [blob, ...before.filter((other) => other !== known)].slice(0, MAX_BLOBS))
  const oldest = entries.keys().next()
  if (entries.size > MAX_LAYERS && !oldest.done) entries.delete(oldest.value)
}

function parseBlob(diffID: Digest, json: unknown, key: Buffer): CachedBlob | undefined {
  try {
    const { mediaType, digest, size } = parseDescriptor(json, diffID)
    const { seenIn, usedAt, signature } = json as Record<string, unknown>
    if (!isStrings(seenIn) || typeof usedAt !== 'number' || typeof signature !== 'string') return undefined
    const expected = sign(diffID, { mediaType, digest, size, seenIn, usedAt }, key)
    if (!isEqual(signature, expected)) return undefined
    return { descriptor: { mediaType, digest, size }, seenIn, usedAt }
  } catch {
    return undefined
  }
}

type Signed = Descriptor & Pick<CachedBlob, 'seenIn' | 'usedAt'>

function sign(diffID: Digest, { mediaType, digest, size, seenIn, usedAt }: Signed, key: Buffer): string {
  const text = JSON.stringify([diffID, mediaType, digest, size, seenIn, usedAt])
  return createHmac('sha256', key).update(text).digest('base64url')
}

function isEqual(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}
