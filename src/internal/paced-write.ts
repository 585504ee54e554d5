import { once } from 'node:events'
import type { Writable } from 'node:stream'

/** Writes a chunk and waits until it has left the process: its memory may be used again then. */
export function writeChunk(stream: Writable, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(chunk, (error) => (error ? reject(error) : resolve()))
  })
}

/**
 * Writes all of `source` and ends the stream. Each chunk is written before the next one is asked for.
 *
 * @throws what the stream or `source` fails with; the signal's reason
 */
export async function writeToStream(
  stream: Writable,
  source: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  // Without a listener a closed pipe would end the process; the write itself fails with it too.
  stream.on('error', () => {})
  for await (const chunk of source) {
    signal?.throwIfAborted()
    await writeChunk(stream, chunk)
  }
  const finished = once(stream, 'finish', signal ? { signal } : {})
  stream.end()
  await finished
}
