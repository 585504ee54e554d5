import { createHash } from 'node:crypto'
import { readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import type { HashAnswer, HashRequest } from './hash-threads.ts'

/** What is read at a time: large enough that calls do not count, small enough for the processor's cache. */
const CHUNK_BYTES = 256 * 1024
/** How often is said how far it is. */
const REPORT_EVERY_BYTES = 16 * 1024 * 1024

const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES)

/** The program of a hash thread: hashes one span of a file after the other, as it is asked to. */
parentPort!.on('message', (request: HashRequest) => {
  try {
    answer(hash(request))
  } catch (error) {
    answer({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
  }
})

function hash({ fd, start, end, algorithm }: HashRequest): HashAnswer {
  const sum = createHash(algorithm)
  let unreported = 0
  for (let position = start; position < end; ) {
    const count = readSync(fd, buffer, 0, Math.min(CHUNK_BYTES, end - position), position)
    if (count === 0) return { kind: 'short' }
    sum.update(count === CHUNK_BYTES ? buffer : buffer.subarray(0, count))
    position += count
    unreported += count
    if (unreported < REPORT_EVERY_BYTES) continue
    answer({ kind: 'bytes', count: unreported })
    unreported = 0
  }
  answer({ kind: 'bytes', count: unreported })
  return { kind: 'digest', hex: sum.digest('hex') }
}

function answer(message: HashAnswer): void {
  parentPort!.postMessage(message)
}
