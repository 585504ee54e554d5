import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { type Seen, sha256 } from './faulty-registry.ts'
import { faultyRegistry, openClient } from './open-client.ts'

export const MIB = 1024 * 1024
/** What the tests upload: more than one chunk of any kind. */
export const bytes = randomBytes(20 * MIB + 7)
export const blob = { digest: sha256(bytes), size: bytes.byteLength }

export const isPatch = ({ method }: Seen): boolean => method === 'PATCH'

export function streamOf(content: Buffer): Readable {
  return Readable.from(pieces(content), { objectMode: false })
}

/** A registry, a repository of it, and what became of the upload of `blob`. */
export async function uploadSetup() {
  const registry = await faultyRegistry()
  const { client, retried } = openClient()
  const opened: number[] = []
  const progress = { sum: 0 }
  const repository = client.open(registry.location)
  const write = (signal?: AbortSignal) =>
    repository.writeBlob(
      blob,
      (offset) => {
        opened.push(offset)
        return streamOf(bytes.subarray(offset))
      },
      {
        onBytes: (count) => {
          progress.sum += count
        },
        ...(signal ? { signal } : {}),
      },
    )
  const writeStream = (stream = streamOf(bytes)) =>
    repository.writeStream(stream, () => blob, {
      onBytes: (count) => {
        progress.sum += count
      },
    })
  const arrived = () => registry.blobs.get(blob.digest)?.equals(bytes) ?? false
  return { registry, repository, retried, opened, progress, write, writeStream, arrived }
}

function* pieces(all: Buffer): Generator<Buffer> {
  for (let at = 0; at < all.byteLength; at += 65_536) yield all.subarray(at, at + 65_536)
}
