import { readFile } from 'node:fs/promises'
import { writeFileDurably } from '../internal/durable-file.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import { type Descriptor, parseDescriptor } from '../oci/manifest.ts'
import type { BlobCache } from '../ports/blob-cache.ts'

/** About 200 bytes each: the file stays below 2 MB. The oldest go first. */
const MAX_ENTRIES = 10_000

/** The blob cache in one JSON file: `{diffID: descriptor}`. A file that cannot be read is an empty cache. */
export function fileBlobCache(path: string): BlobCache {
  let loaded: Promise<Map<Digest, Descriptor>> | undefined
  return {
    async find(diffID) {
      loaded ??= load(path)
      return (await loaded).get(diffID)
    },
    async remember(blobs) {
      // Another process may have written since: its entries are kept.
      const entries = await load(path)
      for (const [diffID, { mediaType, digest, size }] of blobs) {
        entries.delete(diffID)
        entries.set(diffID, { mediaType, digest, size })
      }
      const newest = [...entries].slice(-MAX_ENTRIES)
      loaded = Promise.resolve(new Map(newest))
      await writeFileDurably(path, JSON.stringify(Object.fromEntries(newest))).catch(() => undefined)
    },
  }
}

async function load(path: string): Promise<Map<Digest, Descriptor>> {
  try {
    const json: unknown = JSON.parse(await readFile(path, 'utf8'))
    const entries = Object.entries(json as Record<string, unknown>)
    return new Map(
      entries.flatMap(([diffID, value]) =>
        isDigest(diffID) ? [[diffID, parseDescriptor(value, diffID)] as const] : [],
      ),
    )
  } catch {
    return new Map()
  }
}
